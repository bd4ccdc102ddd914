// One cell: rounds of the three kinds of dump of one living target, in alternating order.
import { join } from 'node:path';
import { fixture } from '../support/paths.js';
import { Target } from '../support/target.js';
import { withTemp } from '../support/temp.js';
import type { Cell } from './cells.js';
import { runCommand } from './command.js';
import { dumpOnce, type Mode, type Sample } from './dumpers.js';
import { warm } from './warm.js';

export interface Round {
  /** One bare PAGEMAP_SCAN of all the target's memory. */
  scanMs: number;
  dumps: Record<Mode, Sample>;
}

export interface Measured extends Cell {
  /** Ranges of pages that the bare scan found. */
  ranges: number;
  peakKib: Record<Mode, number>;
  bytes: Record<Mode, number>;
  samples: Round[];
}

const MODES: Mode[] = ['criu full', 'ckpt full', 'ckpt skip'];

async function bareScan(target: Target): Promise<{ scanMs: number; ranges: number }> {
  const { stdout } = await runCommand([fixture('barescan'), `${target.pid}`], false);
  const [nanoseconds, ranges] = stdout.split(' ').map(Number);
  return { scanMs: nanoseconds! / 1e6, ranges: ranges! };
}

async function round(dir: string, target: Target, cell: Cell, n: number): Promise<Round> {
  const order = n % 2 === 0 ? MODES : MODES.toReversed();
  const dumps = {} as Record<Mode, Sample>;
  for (const mode of order) {
    if (mode !== 'ckpt skip') warm(dir, cell.mib);
    dumps[mode] = await dumpOnce(mode, target, n === 0);
  }
  return { scanMs: (await bareScan(target)).scanMs, dumps };
}

/** The first round brings code and caches in and has its memory watched; its times do not count. */
export async function measure(cell: Cell): Promise<Measured> {
  const { mib, layout, threads, rounds } = cell;
  return withTemp(async (dir) => {
    const args = [`${mib}`, layout, `${threads}`];
    const target = await Target.start('pausemeter', join(dir, 'state'), args);
    try {
      const { ranges } = await bareScan(target);
      const first = await round(dir, target, cell, 0);
      const samples: Round[] = [];
      for (let n = 1; n <= rounds; n++) samples.push(await round(dir, target, cell, n));
      const of = (key: 'peakKib' | 'bytes') =>
        Object.fromEntries(MODES.map((mode) => [mode, first.dumps[mode][key]])) as Record<
          Mode,
          number
        >;
      return { ...cell, ranges, peakKib: of('peakKib'), bytes: of('bytes'), samples };
    } finally {
      await target.end();
    }
  });
}
