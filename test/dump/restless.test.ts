// Targets that execute, fork or end while they are being dumped: a dump has all of it, or says why not.
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type CkptError, dump } from '../../src/index.js';
import { keep } from '../support/keeper.js';
import { orSkip } from '../support/skip.js';
import { withTemp } from '../support/temp.js';
import { until } from '../support/until.js';
import { script, status, withTarget } from './scene.js';

const ROUNDS = 25;
const RESTLESS = ['E_TARGET_GONE', 'E_TARGET_CHANGED', 'E_NO_SUCH_PROCESS', 'E_ZOMBIE'];
/** A program that has not mapped its C library yet: there is no code in it to borrow. */
const NEWBORN = /has no `syscall; ret` and rt_sigreturn to borrow/;

/** Dumps and lets run; 'done', or the code of an error. */
async function attempt(tree: number, imagesDir: string): Promise<string> {
  try {
    await dump({ tree, imagesDir, leaveRunning: true });
    return 'done';
  } catch (error) {
    const { code, message } = error as CkptError;
    return RESTLESS.includes(code) || NEWBORN.test(message) ? code : `${code}: ${message}`;
  }
}

/** Every outcome is one of those that such a target may have. */
function count(outcomes: string[]): string {
  const others = outcomes.filter((outcome) => outcome.includes(':'));
  assert.equal(others, [], 'errors that such a target cannot have');
  const names = [...new Set(outcomes)].sort();
  return names.map((name) => `${outcomes.filter((o) => o === name).length} ${name}`).join(', ');
}

test('a target that does nothing but execute itself', () =>
  orSkip('exec', () =>
    withTemp(async (dir) => {
      const keeper = await keep([script(dir, 'exec "$0"')]);
      const pid = keeper.started;
      try {
        const outcomes = [];
        for (let i = 0; i < ROUNDS; i++) {
          outcomes.push(await attempt(pid, dir));
          assert.match(status(pid, 'State'), /^[RSD]/);
          assert.is(status(pid, 'TracerPid'), '0');
        }
        console.log(`exec: ${count(outcomes)}`);
      } finally {
        await keeper.end();
      }
    }),
  ));

test('a target that does nothing but fork', () =>
  withTarget(
    'fork',
    async ({ target, images }) => {
      const outcomes = [];
      for (let i = 0; i < ROUNDS; i++) outcomes.push(await attempt(target.pid, images));
      console.log(`fork: ${count(outcomes)}`);
      await target.ask();
    },
    'storm',
    [],
  ));

test('a target that ends', () =>
  orSkip('end', () =>
    withTemp(async (dir) => {
      const outcomes = [];
      for (let i = 0; i < ROUNDS; i++) {
        const keeper = await keep(['sleep', '30']);
        await until('sleep', () => status(keeper.started, 'Name') === 'sleep');
        const attempted = attempt(keeper.started, dir);
        await sleep(i);
        await keeper.end();
        outcomes.push(await attempted);
      }
      console.log(`end: ${count(outcomes)}`);
    }),
  ));

test.run();
