/**
 * pstree.img: the tree of tasks, with sessions, process groups and threads.
 */

import type { TaskFrame } from '../helper/protocol.js';
import type { Entry } from './entry.js';
import type { DevelopOptions } from './options.js';
import { refuse } from './refuse.js';

/** One entry a task, parents before children; the root has no parent (0). */
export function developPstree(tasks: readonly TaskFrame[]): Entry<'pstree_entry'>[] {
  const [root] = tasks;
  return tasks.map((task) => ({
    pid: task.pid,
    ppid: task === root ? 0 : task.ppid,
    pgid: task.pgid,
    sid: task.sid,
    threads: task.tids,
  }));
}

/** Refuses a root that leads no session, unless it is a shell's job; the session is outside then. */
export function refuseForeignSession(root: TaskFrame, { shellJob }: DevelopOptions): void {
  if (root.sid === root.pid || shellJob) return;
  const place = { pid: root.pid, object: `session ${root.sid}` };
  refuse(place, 'its leader is not in the tree', '--shell-job allows it');
}

/** Refuses what is dead but not gone: a leader that exited before its threads. */
export function refuseDeadLeader(task: TaskFrame): void {
  const others = task.tids.length - 1;
  if (task.state !== 'zombie' || others === 0) return;
  refuse({ pid: task.pid, object: 'thread group leader' }, `exited while ${others} threads run on`);
}
