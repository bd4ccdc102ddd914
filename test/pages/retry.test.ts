// What is tried again, how often, and what is not.
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import { reliable, retry } from '../../src/pages/retry.js';
import type { PageSource } from '../../src/pages/source.js';
import { HASTY, mustFail, PAGE, RUNS } from './store.js';

const never = new Promise<never>(() => {});

/** Fails as often as there are failures, then gives 7; counts its calls. */
function failing(...failures: unknown[]) {
  const action = Object.assign(
    async () => {
      const failure = failures[action.calls++];
      if (failure !== undefined) throw failure;
      return 7;
    },
    { calls: 0 },
  );
  return action;
}

test('what may pass is tried again', async () => {
  const action = failing(new Error('reset'), new TypeError('cut off'));
  assert.is(await retry('x', action, HASTY), 7);
  assert.is(action.calls, 3);
});

test('what does not pass is an error that names the first failure and the last', async () => {
  const action = failing(new Error('closed'), new Error('refused'), new Error('refused'));
  await mustFail(
    retry('x:y', action, HASTY),
    'E_PAGE_SOURCE',
    /^x:y: gave up after 3 tries: closed; at last: refused$/,
  );
  assert.is(action.calls, 3);
});

test('a CkptError is final', async () => {
  const action = failing(new CkptError('E_PAGE_SOURCE', 'no such page'));
  await mustFail(retry('x', action, HASTY), 'E_PAGE_SOURCE', /^no such page$/);
  assert.is(action.calls, 1);
});

test('silence ends with the limit of a try', async () => {
  const start = performance.now();
  const policy = { ...HASTY, tries: 2, tryMs: 50 };
  await mustFail(
    retry('x', () => never, policy),
    'E_PAGE_SOURCE',
    /2 tries: no answer in 0.05 s$/,
  );
  assert.ok(performance.now() - start < 1000);
});

test('no try begins behind the deadline', async () => {
  const action = failing(...Array(100).fill(new Error('down')));
  const policy = { tries: 100, pauseMs: 20, maxPauseMs: 20, tryMs: 1000, totalMs: 100 };
  await mustFail(retry('x', action, policy), 'E_PAGE_SOURCE', /gave up after \d tries: down$/);
  assert.ok(action.calls < 10, `${action.calls} tries`);
});

test('pauses double, up to their limit', async () => {
  const start = performance.now();
  const policy = { tries: 5, pauseMs: 20, maxPauseMs: 40, tryMs: 1000, totalMs: 5000 };
  await retry('x', failing(...Array(4).fill(new Error('down'))), policy);
  const took = performance.now() - start; // 20 + 40 + 40 + 40, each a quarter shorter or longer
  assert.ok(took >= 100 && took < 1000, `${took} ms`);
});

test('an abort ends a try, a pause, and what has not begun', async () => {
  const abort = async (action: () => Promise<unknown>, policy = HASTY): Promise<void> => {
    const controller = new AbortController();
    const result = retry('x', action, policy, controller.signal);
    const failed = mustFail(result, 'E_ABORTED', /^x: reading pages was aborted$/);
    await sleep(20);
    controller.abort();
    await failed;
  };
  await abort(() => never, { ...HASTY, tryMs: 60_000 });
  await abort(failing(new Error('down')), {
    ...HASTY,
    pauseMs: 9_000,
    maxPauseMs: 9_000,
    totalMs: 60_000,
  });
  const action = failing();
  const aborted = AbortSignal.abort(new CkptError('E_ABORTED', 'by SIGINT'));
  await mustFail(retry('x', action, HASTY, aborted), 'E_ABORTED', /^by SIGINT$/);
  assert.is(action.calls, 0);
});

test('a reliable source tries again, also where too few bytes came', async () => {
  const { run } = RUNS[1]!;
  const replies = [new Uint8Array(PAGE), undefined, new Uint8Array(run.count * PAGE)];
  const source: PageSource = {
    name: 'x',
    async read() {
      const bytes = replies.shift();
      if (!bytes) throw new Error('reset');
      return bytes;
    },
  };
  assert.is((await reliable(source, HASTY).read(run)).length, run.count * PAGE);
  assert.is(replies.length, 0);
});

test.run();
