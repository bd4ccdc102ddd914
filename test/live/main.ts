// Dumps of memory that changes meanwhile, in full: what `make soak` adds to test/soak.
//   usage: node dist/test/live/main.js [--seed N] [MODE]...
import { parseArgs } from 'node:util';
import { randomOf } from '../soak/random.js';
import { Skip } from '../support/skip.js';
import { liveKills } from './kills.js';
import { LIVE_MODES, type Mode } from './modes.js';
import { moments } from './moments.js';
import { seeds } from './seeds.js';

const { values, positionals } = parseArgs({
  options: { seed: { type: 'string' } },
  allowPositionals: true,
});
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const modes = positionals.length > 0 ? (positionals as Mode[]) : LIVE_MODES;

/** Fifty dumps of each mode over the three rates, and some of other kinds of memory. */
const RATES = [
  { rate: 10, times: 16 },
  { rate: 100, times: 17 },
  { rate: 1000, times: 17 },
];

async function part(name: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (error instanceof Skip) return console.log(`SKIP ${name}: ${error.message}`);
    process.exitCode = 1;
    console.error(`FAILED ${name}: ${(error as Error).message}`);
  }
}

if (process.getuid?.() !== 0) {
  console.error('soak: needs root');
  process.exit(1);
}
console.log(`seed ${seed}`);
for (const mode of modes) {
  for (const { rate, times } of RATES) {
    await part(mode, () => moments({ mode, mib: 1024, rate, times }, console.log));
  }
  for (const kind of ['shared', 'huge'] as const) {
    await part(mode, () => moments({ mode, mib: 256, rate: 1000, kind, times: 5 }, console.log));
  }
  await part(mode, () => seeds(mode, seed, 200, console.log));
  if (mode === 'max-pause' || mode === 'snapshot') {
    await part(mode, () => liveKills(mode, 100, randomOf(seed), console.log));
  }
}
console.log(process.exitCode ? 'soak: failed' : 'soak: all held');
