// A short part of what `make soak` does with dumps of memory that changes meanwhile.
import { test } from 'uvu';
import { orSkip } from '../support/skip.js';
import { randomOf } from '../soak/random.js';
import { liveKills } from './kills.js';
import { LIVE_MODES, type Mode } from './modes.js';
import { moments } from './moments.js';
import { seeds } from './seeds.js';

const seed = Number(process.env.CKPT_SOAK_SEED ?? 1);
const MODES: Mode[] = ['plain', ...LIVE_MODES];

for (const mode of MODES) {
  test(`${mode}: a copy's memory is of one moment`, () =>
    orSkip(`${mode}: moments`, () => moments({ mode, mib: 64, rate: 200, times: 2 }, console.log)));

  test(`${mode}: memory that changes in every way is dumped as it was`, () =>
    orSkip(`${mode}: seeds`, () => seeds(mode, seed, mode === 'plain' ? 1 : 3, console.log)));
}

for (const mode of ['max-pause', 'snapshot'] as const) {
  test(`${mode}: a dump that is killed leaves its target as it was`, () =>
    orSkip(`${mode}: kills`, () => liveKills(mode, 3, randomOf(seed), console.log)));
}

test.run();
