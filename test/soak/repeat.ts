// One target dumped again and again while it runs: nothing may pile up in it.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { dump } from '../../src/index.js';
import { procText } from '../support/proc.js';
import { Target } from '../support/target.js';
import { withTemp } from '../support/temp.js';
import { sameAgain, settled } from './snapshot.js';

/** KiB that a target may grow by while it naps: its own stack and the C library's buffers. */
const GROWTH = 256;

const residentKib = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(procText(`/proc/${pid}/status`))?.[1]);

async function dumpMany(target: Target, imagesDir: string, times: number): Promise<void> {
  const before = await settled(target.pid);
  const resident = residentKib(target.pid);
  for (let i = 0; i < times; i++) {
    await dump({ tree: target.pid, imagesDir, leaveRunning: true });
    await sameAgain(target.pid, before);
  }
  const growth = residentKib(target.pid) - resident;
  if (growth > GROWTH) throw new Error(`the target grew by ${growth} KiB`);
}

/** `times` dumps that leave the target running; throws where it differs afterwards. */
export async function repeat(times: number, say: (line: string) => void): Promise<void> {
  await withTemp(async (dir) => {
    const imagesDir = join(dir, 'images');
    mkdirSync(imagesDir);
    const target = await Target.start('threads', join(dir, 'state'), ['30']);
    try {
      await target.ask();
      await dumpMany(target, imagesDir, times);
      await target.ask();
      say(`${times} dumps of one target, which is as it was`);
    } finally {
      await target.end();
    }
  });
}
