// Dumps of memory that is written to at a steady rate: each restored copy is of one moment.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Target } from '../support/target.js';
import { withTemp } from '../support/temp.js';
import { proveCopy } from './copy.js';
import { dumpLive, needsMode, type Mode } from './modes.js';

export interface Moments {
  mode: Mode;
  mib: number;
  /** Megabytes that the target writes a second. */
  rate: number;
  /** What the stamper writes to. */
  kind?: 'private' | 'shared' | 'huge';
  times: number;
}

async function once(mode: Mode, target: Target, dir: string): Promise<void> {
  const images = await dumpLive(mode, target.pid, join(dir, 'set'), { then: '-R' });
  await proveCopy(target, images, join(dir, 'copy'));
  await target.ask(30_000);
  await rm(join(dir, 'set'), { recursive: true });
}

/** Dumps a stamper again and again, and restores a copy of each set; throws where one is a mixture. */
export async function moments(plan: Moments, say: (line: string) => void): Promise<void> {
  const { mode, mib, rate, kind = 'private', times } = plan;
  await needsMode(mode);
  await withTemp(async (dir) => {
    const target = await Target.start('stamper', join(dir, 'state'), [`${mib}`, `${rate}`, kind]);
    try {
      for (let n = 1; n <= times; n++) {
        await once(mode, target, dir).catch((error: Error) => {
          throw new Error(`${mode}, ${rate} MB/s, dump ${n}: ${error.message}`, { cause: error });
        });
      }
    } finally {
      await target.end();
    }
  });
  say(`${mode}, ${mib} MiB of ${kind} memory at ${rate} MB/s: ${times} copies, each of one moment`);
}
