// A short part of `make soak`, the same each time as far as a seed can make it so.
import { test } from 'uvu';
import { orSkip } from '../support/skip.js';
import { kills } from './kills.js';
import { randomOf } from './random.js';
import { repeat } from './repeat.js';
import { stall } from './stall.js';
import { storm } from './storm.js';

const seed = Number(process.env.CKPT_SOAK_SEED ?? 1);
console.log(`seed ${seed}`);

test('a dump whose orchestrator or helper is killed leaves the target as it was', () =>
  orSkip('kills', () => kills({ anywhere: 10, frozen: 5, random: randomOf(seed) }, console.log)));

test('a tree that forks without pause is dumped whole or refused', () =>
  orSkip('storm', () => storm(10, console.log)));

test('a dump is whole though its orchestrator is held up', () =>
  orSkip('stall', () => stall(5, console.log)));

test('a target dumped many times is as it was', () =>
  orSkip('repeat', () => repeat(15, console.log)));

test.run();
