// A tree whose memory does not change: for two dumps that have to be equal.
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { descendants, procText } from './proc.js';
import { until } from './until.js';

/**
 * Stops every process of a tree and binds its threads to one processor: the kernel writes the
 * processor's number into a thread's rseq area whenever it moves.
 */
export async function holdStill(root: number): Promise<void> {
  const pids = [root, ...descendants(root)];
  for (const pid of pids) await execa('taskset', ['-a', '-p', '-c', '0', `${pid}`]);
  await sleep(30); // until each has run there
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  const isStopped = (pid: number): boolean => /\) [TZ] /.test(procText(`/proc/${pid}/stat`));
  await until('stop of the tree', () => pids.every(isStopped));
}
