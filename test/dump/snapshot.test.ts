// Dumps whose pages are copied after the pause: they are as memory was in it, and leave nothing in the tree.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { DumpResult } from '../../src/dump/result.js';
import { dump } from '../../src/index.js';
import { ckpt } from '../cli/ckpt.js';
import { goOn } from '../live/copy.js';
import { sameAgain, settled } from '../soak/snapshot.js';
import { descendants, procText } from '../support/proc.js';
import { withoutRseq } from '../support/target.js';
import { mustBeTrue } from '../support/truth.js';
import { until } from '../support/until.js';
import { status, withTarget, type Scene } from './scene.js';

function command({ images, target }: Scene, ...more: string[]): ReturnType<typeof ckpt> {
  return ckpt(['dump', '-t', `${target.pid}`, '-D', images, '-R', '--snapshot', ...more]);
}

async function dumped(scene: Scene): Promise<DumpResult> {
  const { code, stdout } = await command(scene, '--json');
  assert.is(code, 0, stdout);
  return JSON.parse(stdout) as DumpResult;
}

test('the result tells what was copied after the pause, and what that took of it', () =>
  withTarget('snapshot: result', async (scene) => {
    const { left, pages, snapshot, pauseUs, warnings } = await dumped(scene);
    assert.ok(snapshot);
    assert.is(left, 'running');
    assert.is(snapshot.copiedAfter, pages.lazy.written + pages.other.written);
    assert.is(pages.lazy.written, pages.lazy.listed);
    assert.ok(snapshot.cloneUs > 0 && snapshot.cloneUs < pauseUs);
    assert.equal(warnings, []);
    const { code, stderr } = await command(scene);
    assert.is(code, 0);
    assert.match(stderr, /^ {2}kept {4}\S+ \S+ copied after the pause, which took \S+ \S+ of it/m);
  }));

test('a tree of several processes, each of which keeps its memory, is as before', () =>
  withTarget(
    'snapshot: a tree',
    async (scene) => {
      const { target } = scene;
      const before = await settled(target.pid);
      const tree = descendants(target.pid);
      for (let n = 0; n < 3; n++) {
        const { processes } = await dumped(scene);
        assert.is(processes.length, 1 + tree.length);
        assert.equal(descendants(target.pid), tree, 'no child is left');
        await sameAgain(target.pid, before);
      }
      await target.ask();
    },
    'family',
    [],
  ));

/** What a child inherits and what not: MADV_DONTFORK, MADV_WIPEONFORK, shared memory, files, guards. */
const MEMORIES = ['madvise', 'sharedmem', 'filemaps', 'protections', 'memfds', 'guards', 'thp'];

for (const memory of MEMORIES) {
  test(`the images of a stopped tree are as its memory: ${memory}`, () =>
    withTarget(
      `snapshot: ${memory}`,
      async (scene) => {
        const { images, target } = scene;
        for (const pid of [target.pid, ...descendants(target.pid)]) process.kill(pid, 'SIGSTOP');
        await until('it is stopped', () => status(target.pid, 'State').startsWith('T'));
        await dumped(scene);
        assert.match(status(target.pid, 'State'), /^T/);
        const { compared } = await mustBeTrue(images);
        assert.ok(compared > 0);
        goOn(target.pid);
        await target.ask();
      },
      withoutRseq(memory, []),
    ));
}

test('a chain of sets goes on over it: what was written stays known', () =>
  withTarget(
    'snapshot: in a chain',
    async ({ dir, images, target }) => {
      const common = { tree: target.pid, trackMem: true };
      for (const name of ['1', '2']) mkdirSync(join(dir, name));
      await dump({ ...common, imagesDir: join(dir, '1'), leaveRunning: true });
      await dump({ tree: target.pid, imagesDir: images, leaveRunning: true, snapshot: true });
      const last = { imagesDir: join(dir, '2'), prevImagesDir: '../1', leaveStopped: true };
      const { track, pages } = await dump({ ...common, ...last });
      assert.ok(track?.since);
      assert.ok(pages.lazy.unchanged > 0);
      const { compared, depth } = await mustBeTrue(join(dir, '2'));
      assert.ok(compared > 0 && depth === 2);
      goOn(target.pid);
      await target.ask();
    },
    withoutRseq('churn', ['7', '2000']),
  ));

test('a dump that fails after the pause leaves nothing, in the tree and in the folder', () =>
  withTarget('snapshot: a failure', async (scene) => {
    const { dir, images, target } = scene;
    const before = await settled(target.pid);
    const { code, stdout } = await command(scene, '--json', '--pidfile', join(dir, 'none', 'pid'));
    assert.is(code, 1, stdout);
    await sameAgain(target.pid, before);
    assert.is(procText(`/proc/${target.pid}/task/${target.pid}/children`).trim(), '');
    assert.is((await ckpt(['pages', '-D', images])).code, 1);
    await target.ask();
  }));

test.run();
