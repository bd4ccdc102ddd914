// What is repeated many times, in full; `make test` runs a short part of the same.
//   usage: node dist/test/soak/main.js [--seed N]
import { parseArgs } from 'node:util';
import { kills } from './kills.js';
import { randomOf } from './random.js';
import { repeat } from './repeat.js';
import { stall } from './stall.js';
import { storm } from './storm.js';

const { values } = parseArgs({ options: { seed: { type: 'string' } } });
const seed = Number(values.seed ?? Date.now() % 1_000_000);

const parts = {
  kills: () => kills({ anywhere: 100, frozen: 50, random: randomOf(seed) }, console.log),
  storm: () => storm(100, console.log),
  stall: () => stall(15, console.log),
  repeat: () => repeat(200, console.log),
};

if (process.getuid?.() !== 0) {
  console.error('soak: needs root');
  process.exit(1);
}
console.log(`seed ${seed}`);
for (const [name, part] of Object.entries(parts)) {
  try {
    await part();
  } catch (error) {
    process.exitCode = 1;
    console.error(`FAILED ${name}: ${(error as Error).message}`);
  }
}
console.log(process.exitCode ? 'soak: failed' : 'soak: all held');
