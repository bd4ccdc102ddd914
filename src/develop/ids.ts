/**
 * Ids of the kernel's objects that tasks may share: tables of descriptors, address spaces,
 * namespaces.
 *
 * An id says only what is the same: tasks with one id share one object. Of each kind, 1 is ckpt's
 * own, which stands in the inventory; namespaces have numbers of their own. As ckpt dumps only
 * tasks in its own namespaces, those are 1 to 8 for all.
 */

import type { LiveTaskFrame, Namespaces, Share } from '../helper/protocol.js';
import type { Entry } from './entry.js';
import { refuse } from './refuse.js';

type Ids = Entry<'task_kobj_ids_entry'>;

/** In the order in which CRIU numbers them. */
const NAMESPACE_IDS = {
  pid_ns_id: 1,
  net_ns_id: 2,
  ipc_ns_id: 3,
  uts_ns_id: 4,
  time_ns_id: 5,
  mnt_ns_id: 6,
  user_ns_id: 7,
  cgroup_ns_id: 8,
};

/** The id of the network namespace that sockets are in. */
export const NET_NS = NAMESPACE_IDS.net_ns_id;

/** Ids of ckpt itself. */
export const ROOT_IDS: Ids = {
  ...{ vm_id: 1, files_id: 1, fs_id: 1, sighand_id: 1 },
  ...NAMESPACE_IDS,
};

/** What threads of one process share, and what only tasks made by an unusual clone(2) do. */
const UNSHARED = {
  vm: 'address space',
  fs: 'working directory and umask',
  sighand: 'signal handlers',
} as const satisfies Partial<Record<keyof Share, string>>;

/** Ids of every task that is alive, by its pid. Refuses tasks that share what no restore can share. */
export function developIds(tasks: readonly LiveTaskFrame[]): Map<number, Ids> {
  const numbers = new Map<number, number>(tasks.map(({ pid }, index) => [pid, index + 2]));
  const entries = tasks.map((task): [number, Ids] => {
    refuseShared(task);
    const own = numbers.get(task.pid)!;
    const files_id = numbers.get(task.share.files) ?? own;
    return [task.pid, { vm_id: own, files_id, fs_id: own, sighand_id: own, ...NAMESPACE_IDS }];
  });
  return new Map(entries);
}

function refuseShared({ pid, share }: LiveTaskFrame): void {
  for (const [kind, what] of Object.entries(UNSHARED)) {
    const owner = share[kind as keyof typeof UNSHARED];
    if (owner !== pid) refuse({ pid, object: what }, `shared with pid ${owner}`);
  }
}

/** Refuses a task in other namespaces than ckpt's own. */
export function refuseForeignNamespaces({ pid, ns }: LiveTaskFrame, own: Namespaces): void {
  for (const kind of Object.keys(own) as (keyof Namespaces)[]) {
    if (BigInt(ns[kind]) === BigInt(own[kind])) continue;
    const place = { pid, object: `${kind} namespace` };
    refuse(place, 'not the one that ckpt runs in', 'run ckpt inside, for instance by nsenter(1)');
  }
}
