// Dumps of a target that is written to meanwhile, beside CRIU's: the pause that it sees, the whole time,
// and what it loses of its own writes.
//   usage: node dist/test/bench/live.js [--quick] [--json]
import { freemem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Target } from '../support/target.js';
import { withTemp } from '../support/temp.js';
import { median } from './goals.js';
import { dumpIn, TITLES, waysHere, type LiveSample, type Way } from './live-runs.js';
import { runWithOwnRun } from './own-run.js';

const { values } = parseArgs({
  options: { quick: { type: 'boolean' }, json: { type: 'boolean' }, inside: { type: 'boolean' } },
});

interface Cell {
  mib: number;
  /** Megabytes that are written a second. */
  rate: number;
  rounds: number;
}

interface Measured extends Cell {
  samples: Record<Way, LiveSample>[];
}

const RATES = [0, 50, 500];
const SIZES = [
  { mib: 8, rounds: 7 },
  { mib: 1024, rounds: 5 },
  { mib: 4096, rounds: 3 },
];

const cells = (): Cell[] =>
  values.quick
    ? [{ mib: 256, rate: 50, rounds: 2 }]
    : SIZES.flatMap((size) => RATES.map((rate) => ({ ...size, rate })));

/** The target, and the sets of a chain, of which each may hold all that was written since the last. */
const fits = ({ mib }: Cell): boolean => (4 * mib + 1024) * 2 ** 20 < freemem();

const nameOf = ({ mib, rate }: Cell): string =>
  `${mib < 1024 ? `${mib} MiB` : `${mib / 1024} GiB`}, ${rate} MB/s written`;

/** Rounds in alternating order, of which the first, which brings caches in, does not count. */
async function measure(cell: Cell, ways: Way[]): Promise<Measured> {
  return withTemp(async (dir) => {
    const args = [`${cell.mib}`, 'dense', '2', `${cell.rate}`];
    const target = await Target.start('pausemeter', join(dir, 'state'), args);
    try {
      const samples: Record<Way, LiveSample>[] = [];
      for (let n = 0; n <= cell.rounds; n++) {
        const round = {} as Record<Way, LiveSample>;
        for (const way of n % 2 ? ways : ways.toReversed()) {
          round[way] = await dumpIn(way, target, cell.mib);
        }
        if (n > 0) samples.push(round);
      }
      return { ...cell, samples };
    } finally {
      await target.end();
    }
  });
}

const WIDTHS = [30, 10, 10, 10, 10, 10, 10, 10];

const row = (...texts: string[]): string =>
  texts.map((text, i) => (i ? text.padStart(WIDTHS[i]!) : text.padEnd(WIDTHS[0]!))).join('');

const number = (value: number): string => value.toFixed(value < 100 ? 2 : 0);

/** Medians; ratios to CRIU's are medians of each round's ratio. */
function line({ samples, rate }: Measured, way: Way): string {
  const of = (key: keyof LiveSample): number => median(samples.map((round) => round[way][key]));
  const ratio = (key: keyof LiveSample): string =>
    `${median(samples.map((round) => round[way][key] / round.criu[key])).toFixed(3)} x`;
  const walls = [number(of('wallMs')), ratio('wallMs'), number(of('lastMs'))];
  const loss = rate > 0 ? `${(100 * of('loss')).toFixed(1)} %` : '';
  const mb = (of('bytes') / 1e6).toFixed(1);
  return row(`  ${TITLES[way]}`, number(of('pauseMs')), ratio('pauseMs'), ...walls, loss, mb);
}

if (!values.inside) runWithOwnRun(fileURLToPath(import.meta.url));
const print = values.json ? () => {} : console.log;
const ways = await waysHere(print);
const all: Measured[] = [];
print(row('', 'pause ms', '', 'wall ms', '', 'last ms', 'loss', 'MB'));
for (const cell of cells()) {
  if (!fits(cell)) {
    print(`${nameOf(cell)}: left out, too little free memory`);
    continue;
  }
  const measured = await measure(cell, ways);
  print([nameOf(cell), ...ways.map((way) => line(measured, way))].join('\n'));
  all.push(measured);
}
if (values.json) console.log(JSON.stringify(all));
