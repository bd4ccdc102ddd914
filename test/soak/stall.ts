// An orchestrator that is held up, as on a loaded machine: the helper waits with what it has to tell.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { procText } from '../support/proc.js';
import { Target } from '../support/target.js';
import { withTemp } from '../support/temp.js';
import { DumpCommand } from './command.js';

/** Longer than anything the two halves wait for each other by default. */
const STALL_MS = 2000;

const isStopped = (pid: number): boolean =>
  !/^TracerPid:\s+0$/m.test(procText(`/proc/${pid}/status`));

/** Stops the orchestrator `delayMs` after the target's freeze is seen, and lets it go on later. */
async function stallOnce(target: Target, images: string, delayMs: number): Promise<void> {
  const dump = await DumpCommand.start(['-t', `${target.pid}`, '-D', images, '-R', '--skip-pages']);
  while (dump.isRunning && !isStopped(target.pid));
  await sleep(delayMs);
  if (dump.isRunning) process.kill(dump.orchestrator, 'SIGSTOP');
  await sleep(STALL_MS);
  if (dump.isRunning) process.kill(dump.orchestrator, 'SIGCONT');
  const code = await dump.ended();
  if (code !== 0)
    throw new Error(`stalled ${delayMs} ms after the freeze, ckpt ended with ${code}`);
}

/** Stalls `times` dumps of a target with a long page table, each a little later. */
export async function stall(times: number, say: (line: string) => void): Promise<void> {
  await withTemp(async (dir) => {
    const images = join(dir, 'images');
    mkdirSync(images);
    const target = await Target.start('pausemeter', join(dir, 'state'), ['1024', 'sparse', '1']);
    try {
      for (let i = 0; i < times; i++) await stallOnce(target, images, 20 * i);
      say(`${times} dumps with a stalled orchestrator, all whole`);
    } finally {
      await target.end();
    }
  });
}
