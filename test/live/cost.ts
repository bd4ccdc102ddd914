// What a program pays for what it does: processor time, which a busy machine stretches little.
import { setTimeout as sleep } from 'node:timers/promises';
import { procText, threadsOf } from '../support/proc.js';
import type { Target } from '../support/target.js';

/** Nanoseconds that a process's threads but the first have run: /proc/PID/task/TID/schedstat. */
function runNs(pid: number): number {
  const others = threadsOf(pid).filter((tid) => tid !== pid);
  return others
    .map((tid) => Number(procText(`/proc/${pid}/task/${tid}/schedstat`).split(' ')[0]))
    .reduce((sum, ns) => sum + ns, 0);
}

/** Nanoseconds that a stamper's writer runs for each page, over `forMs` milliseconds. */
export async function nsPerPage(stamper: Target, forMs = 200): Promise<number> {
  const first = await stamper.ask();
  const before = runNs(stamper.pid);
  await sleep(forMs);
  const after = runNs(stamper.pid);
  return (after - before) / ((await stamper.ask()) - first);
}
