import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import { checkOptions, type DumpOptions } from '../../src/dump/options.js';

const good: DumpOptions = { tree: 5, imagesDir: '/d' };
const snap: DumpOptions = { ...good, leaveRunning: true, snapshot: true };

function refusal(options: object): CkptError {
  try {
    checkOptions(options as DumpOptions);
  } catch (error) {
    assert.instance(error, CkptError);
    return error as CkptError;
  }
  throw new Error('accepted');
}

test('what can be honoured passes', () => {
  checkOptions(good);
  checkOptions(snap);
  checkOptions({ ...good, leaveRunning: true, skipPages: 'lazy', timeout: 0.5, statusFd: 2 });
});

test('what is missing, contradictory or senseless is a usage error that names the option', () => {
  const cases: [object, RegExp][] = [
    [{ imagesDir: '/d' }, /^--tree PID is missing/],
    [{ tree: 5 }, /^--images-dir DIR is missing/],
    [{ ...good, tree: 0 }, /^--tree: 0 is no pid/],
    [{ ...good, tree: -3 }, /^--tree/],
    [{ ...good, tree: 1.5 }, /^--tree/],
    [{ ...good, leaveRunning: true, leaveStopped: true }, /exclude each other/],
    [{ ...good, skipPages: 'some' }, /neither all nor lazy/],
    [{ ...good, skipPages: '' }, /^--skip-pages/],
    [{ ...good, manageCgroups: 'strict' }, /^--manage-cgroups: 'strict' is none of soft/],
    [{ ...good, snapshot: true }, /^--snapshot without --leave-running/],
    [{ ...snap, leaveRunning: false, leaveStopped: true }, /^--snapshot without/],
    [{ ...snap, maxPause: 10 }, /^--snapshot and --max-pause exclude/],
    [{ ...snap, skipPages: 'lazy' }, /^--snapshot with --skip-pages/],
    [{ ...snap, skipPages: 'all', pageStore: '/s' }, /^--snapshot with --skip-pages/],
    [{ ...snap, actionScript: ['/x'] }, /^--snapshot with --action-script/],
    [{ ...good, timeout: -1 }, /^--timeout/],
    [{ ...good, timeout: NaN }, /^--timeout/],
    [{ ...good, maxPause: 0 }, /^--max-pause: 0 ms is no time/],
    [{ ...good, maxPause: NaN }, /^--max-pause/],
    [{ ...good, maxPause: 10, skipPages: 'all' }, /^--max-pause with --skip-pages/],
    [{ ...good, maxPause: 10, maxRounds: 0 }, /^--max-rounds/],
    [{ ...good, maxPause: 10, onSlow: 'wait' }, /^--on-slow: 'wait' is none of dump, fail/],
    [{ ...good, maxRounds: 3 }, /^--max-rounds without --max-pause/],
    [{ ...good, onSlow: 'dump' }, /^--on-slow without --max-pause/],
    [{ ...good, statusFd: 987 }, /^--status-fd: 987 is no open descriptor/],
  ];
  for (const [options, message] of cases) {
    const error = refusal(options);
    assert.match(error.message, message);
    assert.is(error.code, 'E_USAGE');
    assert.is(error.exitCode, 2);
  }
});

test('an external resource that would not be honoured is refused', () => {
  checkOptions({ ...good, external: ['pipe:[123]', 'unix[5]'] });
  for (const resource of ['file[1:2]', 'tty[8800:1]', 'unix[x]', 'mnt[]', 'pipe:[x]', '']) {
    const error = refusal({ ...good, external: ['pipe:[1]', resource] });
    assert.is(error.code, 'E_UNSUPPORTED_OPTION');
    assert.match(error.message, `--external '${resource}'`);
  }
});

test('what does not go together with a chain is refused', () => {
  const chain = { ...good, trackMem: true, prevImagesDir: '../1' };
  checkOptions({ ...chain, autoDedup: true });
  checkOptions({ ...chain, skipPages: 'all' });
  checkOptions({ ...good, trackMem: true, skipPages: 'all', pageStore: '/s' });
  const cases: [object, RegExp][] = [
    [{ ...chain, maxPause: 10 }, /^--prev-images-dir with --max-pause/],
    [{ ...good, trackMem: true, maxPause: 10 }, /^--track-mem with --max-pause/],
    [{ ...chain, leaveRunning: true, snapshot: true }, /^--prev-images-dir with --snapshot/],
    [{ ...snap, trackMem: true }, /^--track-mem with --snapshot/],
    [{ ...chain, skipPages: 'lazy' }, /^--prev-images-dir with --skip-pages=lazy/],
    [{ ...chain, skipPages: 'all', pageStore: '/s' }, /^--prev-images-dir with --page-store/],
  ];
  for (const [options, message] of cases) {
    const error = refusal(options);
    assert.is(error.code, 'E_UNSUPPORTED_OPTION');
    assert.match(error.message, message);
  }
  assert.is(refusal({ ...good, skipPages: 'all', autoDedup: true }).code, 'E_USAGE');
});

test.run();
