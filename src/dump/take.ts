/** Takes a dump: the order of its steps, and what undoes them when one fails. */

import { rmSync } from 'node:fs';
import { now } from '../clock.js';
import { HelperClient, type DumpFrame } from '../helper/client.js';
import { findHelper } from '../helper/find.js';
import { startHelper } from '../helper/start.js';
import type { ImageFile } from '../images/set.js';
import type { Store } from '../pages/fill/store.js';
import { conclude } from './conclude.js';
import { isOnDisk, makeStaging } from './folders.js';
import { requestOf } from './request.js';
import type { MadeSet, Taken } from './result.js';
import { runScripts } from './scripts.js';
import type { Session } from './session.js';
import { Tally } from './tally.js';

/** What a dump tells when it is done, of what was counted; times begin at `start`, as clock.ts has it. */
export type Tell<R> = (
  session: Session,
  made: MadeSet,
  tally: Tally,
  frozen: number | undefined,
  start: number,
) => R;

/** Throws CkptError of any kind; then the tree runs on, and nothing is left of the set. */
export async function takeDump<R extends Taken>(session: Session, makeResult: Tell<R>): Promise<R> {
  const { folders, limit, log } = session;
  const start = now();
  const helper = findHelper();
  await runScripts('pre-dump', session);
  limit.check();
  const staging = makeStaging(folders.images);
  log.info(`starting ${helper}`);
  const client = new HelperClient(startHelper(helper, (line) => log.debug(`helper: ${line}`)));
  limit.signal.addEventListener('abort', () => client.abort());
  try {
    const tally = new Tally(session.store && session.options.skipPages);
    const made = await makeSet(session, client, staging, tally);
    const frozen = await conclude(session, client, staging, made.names);
    const result = makeResult(session, made, tally, frozen, start);
    await dedupParents(session, result);
    for (const warning of result.warnings.slice(made.warnings.length)) log.warn(warning);
    await saveStats(session, result, tally);
    return result;
  } finally {
    await client.close();
    rmSync(staging, { recursive: true, force: true });
  }
}

/**
 * The helper takes the facts; the darkroom is loaded meanwhile, and makes the set of them. The
 * request goes out with the greeting: a helper of another version refuses both.
 */
async function makeSet(
  session: Session,
  client: HelperClient,
  staging: string,
  tally: Tally,
): Promise<MadeSet> {
  const { options, log, setId, parent, store } = session;
  const [hello, frames, { ImageSet, develop, developPreDump }] = await Promise.all([
    client.greet(),
    client.dump(requestOf(session, staging)),
    import('./darkroom.js'),
  ]);
  const set = new ImageSet(staging, { isOwn: true, sync: !store && isOnDisk(staging) });
  // A store's pages come out of a full set.
  const developing = { ...options, setId, parent, ...(store && { skipPages: undefined }) };
  const seen = watch(frames, session, tally);
  const { warnings } = await (session.isPreDump
    ? developPreDump(seen, set, developing)
    : develop(seen, set, hello, developing));
  for (const warning of warnings) log.warn(warning);
  const files = store ? await movePages(session, staging, store) : set.files();
  const names = store ? files.map(({ name }) => name) : set.names();
  log.info(`the set is complete: ${files.length} files`);
  return { files, names, warnings };
}

async function movePages(
  { options, limit, report }: Session,
  staging: string,
  store: Store,
): Promise<ImageFile[]> {
  const { moveToStore } = await import('./page-store.js');
  return moveToStore(staging, store, options, { report, signal: limit.signal });
}

/** Reports and counts what the helper sends, as it passes by. */
async function* watch(
  frames: AsyncIterable<DumpFrame>,
  { log, report }: Session,
  tally: Tally,
): AsyncGenerator<DumpFrame> {
  for await (const frame of frames) {
    log.debug(`helper sent ${frame.t}`);
    if (frame.t === 'progress')
      report({ phase: frame.phase, done: frame.done, total: frame.total });
    tally.add(frame);
    yield frame;
  }
}

/** What is replaced is taken out of the parents last: not before the set is there to stay. */
async function dedupParents({ options, parent }: Session, result: Taken): Promise<void> {
  if (!options.autoDedup || !parent || !result.track?.since) return;
  const { dedup } = await import('../dedup/dedup.js');
  try {
    const { freed, spent, warnings } = await dedup({ imagesDir: result.imagesDir });
    result.dedup = { freed, spent };
    result.warnings.push(...warnings);
  } catch (error) {
    result.warnings.push(`--auto-dedup: ${(error as Error).message}`);
  }
}

/** Statistics come last, for they tell of the whole; the dump has succeeded without them. */
async function saveStats({ folders, log }: Session, result: Taken, tally: Tally): Promise<void> {
  const { writeStats } = await import('./darkroom.js');
  try {
    writeStats(folders.work, result, tally.captured!.pages.scanned);
  } catch (error) {
    log.warn((error as Error).message);
  }
}
