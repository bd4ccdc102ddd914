// What a dump in rounds tells, and what it leaves behind where it cannot keep its promise.
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dump } from '../../src/dump/dump.js';
import type { CkptError } from '../../src/errors.js';
import { status, withTarget } from './scene.js';

/** No pause is as short as this. */
const IMPOSSIBLE = 0.01;

const protectedMappings = (pid: number): number =>
  readFileSync(`/proc/${pid}/smaps`, 'utf8').match(/^VmFlags:.* uw/gm)?.length ?? 0;
const descriptors = (pid: number): string[] => readdirSync(`/proc/${pid}/fd`);

test('what was copied before the pause, and what was left for it, is told', () =>
  withTarget('live', async ({ images, target: { pid } }) => {
    const fds = descriptors(pid);
    const { live, pauseUs, pages, warnings } = await dump({
      tree: pid,
      imagesDir: images,
      leaveRunning: true,
      maxPause: 1000,
    });
    assert.ok(live!.rounds >= 1 && live!.stops >= 1 && live!.longestUs > 0);
    assert.ok(live!.copied > 0 && live!.estimateUs <= 1e6 && pauseUs > 0);
    assert.is(pages.lazy.written, pages.lazy.listed);
    assert.equal(warnings, []);
    assert.equal([protectedMappings(pid), descriptors(pid)], [0, fds]);
  }));

test('a pause that cannot be so short fails the dump with the numbers, and leaves nothing', () =>
  withTarget('too busy', async ({ images, target }) => {
    const fds = descriptors(target.pid);
    const options = { tree: target.pid, imagesDir: images, leaveRunning: true };
    for (const onSlow of [undefined, 'fail', 'throttle'] as const) {
      const promise = dump({
        ...options,
        maxPause: IMPOSSIBLE,
        maxRounds: 2,
        ...(onSlow && { onSlow }),
      });
      const error: CkptError = await promise.then(
        () => assert.unreachable(),
        (thrown) => thrown,
      );
      assert.is(error.code, 'E_TOO_BUSY');
      assert.match(
        error.message,
        /after \d+ rounds a pause of [\d.]+ ms is to be expected, more than 0.0/,
      );
      assert.match(`${error.details.remedy}`, /--max-pause, or choose --on-slow/);
      assert.equal(readdirSync(images), []);
      assert.equal([protectedMappings(target.pid), descriptors(target.pid)], [0, fds]);
    }
    assert.is(status(target.pid, 'TracerPid'), '0');
    await target.ask();
  }));

test('or it is dumped nevertheless, with a warning', () =>
  withTarget('slow', async ({ images, target: { pid } }) => {
    const { warnings, live } = await dump({
      tree: pid,
      imagesDir: images,
      leaveRunning: true,
      maxPause: IMPOSSIBLE,
      maxRounds: 2,
      onSlow: 'dump',
    });
    assert.is(live!.rounds, 2);
    assert.match(warnings.join(), /^the pause of [\d.]+ ms is longer than --max-pause 0.01ms$/);
  }));

test('a tree that is told to stop or to end does so in the end', () =>
  withTarget('held', async ({ images, target: { pid } }) => {
    const options = { tree: pid, imagesDir: images, maxPause: 1000 };
    await dump({ ...options, leaveStopped: true });
    assert.match(status(pid, 'State'), /^T/);
    const { left } = await dump(options);
    assert.is(left, 'dead');
  }));

test.run();
