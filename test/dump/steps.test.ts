import { chmodSync, closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import { Limit } from '../../src/dump/limit.js';
import { Log } from '../../src/dump/log.js';
import { removePidfile, tellReady, writePidfile } from '../../src/dump/notices.js';
import type { DumpOptions } from '../../src/dump/options.js';
import { startRun } from '../../src/dump/run.js';
import { runScripts } from '../../src/dump/scripts.js';
import type { Session } from '../../src/dump/session.js';
import { withTemp } from '../support/temp.js';

async function failure(action: () => unknown): Promise<CkptError> {
  try {
    await action();
  } catch (error) {
    assert.instance(error, CkptError, String(error));
    return error as CkptError;
  }
  throw new Error('it succeeded');
}

function script(dir: string, name: string, text: string): string {
  writeFileSync(join(dir, name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(dir, name), 0o755);
  return `./${name}`;
}

function session(dir: string, options: Partial<DumpOptions>, limit = new Limit()): Session {
  return {
    options: { tree: 42, imagesDir: dir, ...options },
    folders: { images: join(dir, 'images'), work: dir },
    setId: 'id',
    limit,
    log: new Log({}, dir),
    report: () => {},
  };
}

test('action scripts run in order, in the work folder, with what CRIU tells its own', () =>
  withTemp(async (dir) => {
    const line = 'echo "$0 $CRTOOLS_SCRIPT_ACTION $CRTOOLS_IMAGE_DIR $CRTOOLS_INIT_PID" >>said';
    const actionScript = [script(dir, 'a', line), script(dir, 'b', line)];
    await runScripts('pre-dump', session(dir, { actionScript }));
    await runScripts('post-dump', session(dir, { actionScript }));
    const said = readFileSync(join(dir, 'said'), 'utf8');
    const expected = ['pre-dump', 'post-dump'].flatMap((action) =>
      actionScript.map((name) => `${name} ${action} ${dir}/images 42\n`),
    );
    assert.is(said, expected.join(''));
  }));

test('an action script that fails, or cannot run, is an error with its name and stage', () =>
  withTemp(async (dir) => {
    const cases: [string, RegExp][] = [
      [script(dir, 'fails', 'exit 3'), /\.\/fails failed at pre-dump: exit status 3/],
      [script(dir, 'dies', 'kill -9 $$'), /\.\/dies failed at pre-dump: SIGKILL/],
      ['./missing', /\.\/missing failed at pre-dump: .*ENOENT/],
    ];
    for (const [name, message] of cases) {
      const error = await failure(() =>
        runScripts('pre-dump', session(dir, { actionScript: [name] })),
      );
      assert.is(error.code, 'E_ACTION_SCRIPT');
      assert.match(error.message, message);
    }
  }));

test('an action script does not outlive the timeout', () =>
  withTemp(async (dir) => {
    const limit = new Limit(undefined, 0.2);
    const actionScript = [script(dir, 'sleeps', 'exec sleep 20')];
    const error = await failure(() =>
      runScripts('pre-dump', session(dir, { actionScript }, limit)),
    );
    assert.is(error.code, 'E_TIMEOUT');
  }));

test('a limit ends by time, also where no timer could run, and by signal', async () => {
  const limit = new Limit(undefined, 0.02);
  const end = performance.now() + 30;
  while (performance.now() < end);
  assert.is((await failure(() => limit.check())).code, 'E_TIMEOUT');

  const controller = new AbortController();
  const aborted = new Limit(controller.signal);
  aborted.check();
  controller.abort();
  assert.is((await failure(() => aborted.check())).code, 'E_ABORTED');
  assert.is((await failure(() => new Limit(AbortSignal.abort()).check())).code, 'E_ABORTED');

  const reason = new CkptError('E_ABORTED', 'by SIGINT');
  const named = await failure(() => new Limit(AbortSignal.abort(reason)).check());
  assert.is(named, reason);
});

test('a limit that was lifted ends nothing', async () => {
  const controller = new AbortController();
  const limit = new Limit(controller.signal, 0.01);
  limit.lift();
  controller.abort();
  await sleep(20);
  assert.is(limit.signal.aborted, false);
});

test('the log holds what its level allows, and is ours alone', () =>
  withTemp(async (dir) => {
    const heard: string[] = [];
    const lines = (verbosity?: number) => {
      const onLog = (line: string) => void heard.push(line);
      const log = new Log({ verbosity, logFile: 'log', onLog }, dir);
      log.error('e');
      log.warn('w');
      log.info('i');
      log.debug('d');
      log.close();
      return readFileSync(join(dir, 'log'), 'utf8');
    };
    assert.is(lines(0), '');
    assert.is(lines(1), 'Error: e\n');
    assert.is(lines(), 'Error: e\nWarn: w\n');
    assert.match(lines(3), /^\(\d\d\.\d{6}\) Error: e\n\(.*\) Warn: w\n\(.*\) i\n$/);
    assert.match(lines(4), /\) d\n$/);
    assert.is(statSync(join(dir, 'log')).mode & 0o777, 0o600);
    assert.not(
      heard.some((line) => line.includes('Error')),
      'the caller gets the error itself',
    );
    assert.is(heard[0], 'Warn: w');
  }));

test('a pidfile is new, or an error', () =>
  withTemp(async (dir) => {
    const options = { tree: 42, imagesDir: dir, pidfile: 'pid' };
    writePidfile(options, dir);
    assert.is(readFileSync(join(dir, 'pid'), 'utf8'), '42');
    assert.is((await failure(() => writePidfile(options, dir))).code, 'E_WORK_DIR');
    removePidfile(options, dir);
    writePidfile(options, dir);
  }));

test('the status descriptor gets a zero byte and is closed', () =>
  withTemp(async (dir) => {
    const statusFd = openSync(join(dir, 'status'), 'w');
    tellReady({ tree: 42, imagesDir: dir, statusFd });
    assert.equal([...readFileSync(join(dir, 'status'))], [0]);
    assert.throws(() => closeSync(statusFd), /EBADF/);
  }));

test('a run is a promise, and a sequence of its progress', async () => {
  const steps = async (report: (n: number) => void): Promise<string> => {
    for (const n of [1, 2, 3]) {
      await sleep(1);
      report(n);
    }
    return 'done';
  };
  const run = startRun(steps);
  const seen: number[] = [];
  for await (const n of run) seen.push(n);
  assert.equal(seen, [1, 2, 3]);
  assert.is(await run, 'done');
  for await (const n of run) throw new Error(`${n} after the end`);
});

test('a run that fails, fails who awaits it and who watches it', async () => {
  const error = new CkptError('E_KERNEL', 'no');
  const run = startRun<never, number>(async (report) => {
    await sleep(1);
    report(1);
    throw error;
  });
  const seen: number[] = [];
  const watching = await failure(async () => {
    for await (const n of run) seen.push(n);
  });
  assert.equal(seen, [1]);
  assert.is(watching, error);
  assert.is(await failure(() => run), error);
});

test.run();
