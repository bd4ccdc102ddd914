/**
 * The darkroom: facts of a dump into a finished image set.
 *
 * Facts are collected first; pages come last and stream from frames into images. What cannot be
 * dumped faithfully is refused before the set is complete.
 */

import type { DumpFrame } from '../helper/client.js';
import type { CapturedFrame, HelloFrame, LiveTaskFrame } from '../helper/protocol.js';
import type { Owner } from '../images/pagemap.js';
import type { ImageSet } from '../images/set.js';
import { CgroupSets, ownCgroups } from './cgroup.js';
import { Facts } from './facts.js';
import { Files } from './files/index.js';
import { HugePages } from './hugetlb.js';
import { developIds, refuseForeignNamespaces } from './ids.js';
import { developInventory } from './inventory.js';
import type { DevelopOptions } from './options.js';
import { Pagemaps } from './pagemap.js';
import { linkParent } from './parent.js';
import { refuseDeadLeader, refuseForeignSession } from './pstree.js';
import { contradiction, refuse } from './refuse.js';
import { writeFiles } from './write/files.js';
import { writeSystem } from './write/system.js';
import { writeTasks } from './write/tasks.js';

export type { DevelopOptions } from './options.js';

/** What a user should know of a set that is complete. */
export interface Developed {
  /** Each one line, naming process and object. */
  warnings: string[];
}

/**
 * Develops what the helper sends, up to `captured`, into `images`, and commits the set.
 * Throws CkptError: E_UNSUPPORTED_OBJECT for what cannot be dumped faithfully, E_PROTOCOL for
 * facts that do not fit together, and whatever the set's files meet.
 */
export async function develop(
  frames: AsyncIterable<DumpFrame>,
  images: ImageSet,
  hello: Pick<HelloFrame, 'xsave'>,
  options: DevelopOptions,
): Promise<Developed> {
  const facts = new Facts();
  const pagemaps = new Pagemaps(images, options);
  const captured = await collect(frames, facts, pagemaps);
  refuseTree(facts, captured, options);
  const made = new Set([...pagemaps.files, ...facts.ghostContents]);
  images.adopt((name) => made.has(name));

  const huge = new HugePages(captured);
  const files = new Files(facts, huge, options, captured.network_locked);
  const cgroups = new CgroupSets(ownCgroups());
  const ids = developIds(facts.alive);
  writeTasks(images, { facts, files, huge, cgroups, ids, xsave: hello.xsave });
  writeFiles(images, { facts, files, ids }, options);
  writeSystem(images, cgroups, captured, options);
  pagemaps.complete(ownersOf(facts));
  const warnings = [...files.warnings, ...linkParent(images, captured.track, options)];
  await images.commit(developInventory(captured, options));
  return { warnings };
}

/** Takes in all frames. */
async function collect(
  frames: AsyncIterable<DumpFrame>,
  facts: Facts,
  pagemaps: Pagemaps,
): Promise<CapturedFrame> {
  for await (const frame of frames) {
    if (frame.t === 'captured') return frame;
    if (frame.t === 'pagemap') pagemaps.add(frame);
    else facts.add(frame);
  }
  return contradiction('they have no end');
}

function refuseTree(facts: Facts, captured: CapturedFrame, options: DevelopOptions): void {
  refuseForeignSession(facts.root, options);
  for (const task of facts.tasks) refuseDeadLeader(task);
  for (const task of facts.alive) {
    refuseForeignNamespaces(task, captured.own_ns);
    refuseConfined(task);
  }
}

/** Refuses a task under a profile of a security module; what such a module calls unconfined is none. */
function refuseConfined({ pid, lsm_profile = '' }: LiveTaskFrame): void {
  const profile = lsm_profile.trim();
  if (profile === '' || profile.startsWith('unconfined')) return;
  refuse({ pid, object: `security profile ${profile}` }, 'ckpt does not dump such profiles yet');
}

/** Whose pages a restore asks for. */
function ownersOf({ alive, shmems }: Facts): Owner[] {
  return [...alive.map(({ pid }) => ({ pid })), ...[...shmems.keys()].map((shmem) => ({ shmem }))];
}
