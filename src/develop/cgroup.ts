/**
 * Control groups: which tasks are in which, where that is not where ckpt is.
 *
 * Tasks with the same groups are in one numbered set. Set 1 stands for ckpt's own groups: a restore
 * puts its tasks where it is itself, without cgroup.img. For other sets the image names the groups,
 * and the folders to make where they are missing; what is set inside a group is left as it is.
 */

import { existsSync, readFileSync } from 'node:fs';
import type { LiveTaskFrame } from '../helper/protocol.js';
import type { Entry } from './entry.js';
import type { DevelopOptions } from './options.js';

export type Cgroups = LiveTaskFrame['cgroups'];

/** The set of ckpt itself, and in an inventory `root_cg_set`. */
export const OWN_SET = 1;

/** The groups in the text of a /proc/PID/cgroup: "4:memory:/group" a line (cgroups(7)). */
export function parseCgroups(text: string): Cgroups {
  return text
    .split('\n')
    .map((line) => /^\d+:([^:]*):(.*)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, controllers, path]) => ({ controllers: controllers!, path: path! }));
}

/** The groups of ckpt itself; none on a kernel without control groups. */
export function ownCgroups(): Cgroups {
  const path = '/proc/self/cgroup';
  return existsSync(path) ? parseCgroups(readFileSync(path, 'utf8')) : [];
}

/** Numbers the sets of groups that tasks are in. */
export class CgroupSets {
  readonly #sets = new Map<string, { id: number; cgroups: Cgroups }>();

  constructor(own: Cgroups) {
    this.idOf(own);
  }

  /** The number of these groups' set; a new one if none of the tasks before was in them. */
  idOf(cgroups: Cgroups): number {
    const sorted = [...cgroups].sort((a, b) => (a.controllers < b.controllers ? -1 : 1));
    const key = JSON.stringify(sorted.map(({ controllers, path }) => [controllers, path]));
    let set = this.#sets.get(key);
    if (!set) this.#sets.set(key, (set = { id: this.#sets.size + OWN_SET, cgroups: sorted }));
    return set.id;
  }

  /** cgroup.img; absent where every task is where ckpt is. */
  develop(manage: DevelopOptions['manageCgroups']): Entry<'cgroup_entry'> | undefined {
    const sets = [...this.#sets.values()].filter(({ id }) => id !== OWN_SET);
    if (sets.length === 0) return undefined;
    return {
      sets: sets.map(({ id, cgroups }) => ({ id, ctls: cgroups.map(member) })),
      controllers: controllersOf(sets.flatMap((set) => set.cgroups)).map(([names, paths]) => ({
        cnames: names.split(','),
        dirs: manage === 'ignore' ? [] : paths.map((path) => ({ dir_name: path.slice(1) })),
        is_threaded: false,
      })),
    };
  }
}

function member({ controllers, path }: Cgroups[number]): Entry<'cg_member_entry'> {
  return { name: controllers, path };
}

/** Every hierarchy with the paths in it, each once. */
function controllersOf(cgroups: Cgroups): [controllers: string, paths: string[]][] {
  const paths = new Map<string, Set<string>>();
  for (const { controllers, path } of cgroups) {
    paths.set(controllers, (paths.get(controllers) ?? new Set()).add(path));
  }
  return [...paths].map(([controllers, set]) => [controllers, [...set]]);
}
