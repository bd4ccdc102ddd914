// Sets without pages, filled from every kind of source, and brought back to life by stock criu.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dump as dumpTree } from '../../src/dump/dump.js';
import type { Progress } from '../../src/dump/options.js';
import type { DumpResult } from '../../src/dump/result.js';
import type { FillResult } from '../../src/pages/fill/options.js';
import { ckpt } from '../cli/ckpt.js';
import { compare, compareSets } from '../support/compare.js';
import { mustDump } from '../support/dump.js';
import { withHugePages } from '../support/hugepages.js';
import { descendants } from '../support/proc.js';
import { mergeNeighbours, PAGE, PE_LAZY, readSet } from '../support/pages.js';
import { restore } from '../support/restore.js';
import { orSkip } from '../support/skip.js';
import { Target } from '../support/target.js';
import { withTemp } from '../support/temp.js';
import type { CriuVersion } from '../support/paths.js';

/** A fixture that stands still, with dumps of it. */
interface Scene {
  dir: string;
  original: Target;
  /** How many beats it had counted. */
  beats: number;
}

/** Dumps it as it stands, into a folder of that name. */
async function dump({ dir, original }: Scene, name: string, ...args: string[]) {
  const options = { args: ['-s', '--json', ...args] };
  const { stdout } = await mustDump('ckpt', original.pid, join(dir, name), options);
  return JSON.parse(stdout) as DumpResult;
}

/**
 * Runs `use` with a fixture that was dumped without its pages, into `skip`, and left stopped. Dumps
 * that follow are of a stopped process, which a restore brings back stopped.
 */
async function withScene(
  { fixture, args }: { fixture: string; args?: string[] },
  use: (scene: Scene, first: DumpResult) => Promise<void>,
  options = (_dir: string): string[] => ['--skip-pages'],
): Promise<void> {
  await withTemp(async (dir) => {
    const original = await Target.start(fixture, join(dir, 'state'), args);
    try {
      const scene = { dir, original, beats: await original.ask() };
      await use(scene, await dump(scene, 'skip', ...options(dir)));
    } finally {
      await original.end();
    }
  });
}

/** Runs a command that must succeed; gives what it prints. */
async function must(...args: string[]): Promise<FillResult> {
  const { code, stdout, stderr } = await ckpt([...args, '--json']);
  assert.is(code, 0, stdout + stderr);
  return JSON.parse(stdout);
}

async function copy({ dir }: Scene, name: string): Promise<string> {
  await execa('cp', ['-a', join(dir, 'skip'), join(dir, name)]);
  return join(dir, name);
}

/** Restores a set in fresh namespaces, where the program has to prove its state. */
async function prove(scene: Scene, images: string, version?: CriuVersion): Promise<void> {
  const { dir, original, beats } = scene;
  const state = join(dir, 'copy');
  await execa('rm', ['-rf', state]);
  await execa('cp', ['-a', original.state, state]);
  const restored = await restore(images, original, { state, version });
  try {
    assert.ok((await restored.ask()) >= beats);
    await restored.ask();
  } finally {
    await restored.end();
  }
}

/** All files are as private as a dump's, and nothing is there that a dump would not leave. */
function isTidy(images: string): void {
  for (const name of readdirSync(images)) {
    assert.match(name, /\.img$|^stats-dump$/);
    assert.is(statSync(join(images, name)).mode & 0o777, 0o600, name);
  }
}

/** A copy of the set without pages, filled by the command line. */
async function fill(scene: Scene, name: string, from: string): Promise<string> {
  const images = await copy(scene, name);
  const { pages } = await must('fill', '-D', images, '--from', from);
  assert.ok(pages.listed > 10);
  assert.equal(pages, { listed: pages.listed, filled: pages.listed, kept: 0, late: 0 });
  isTidy(images);
  return images;
}

/** The sets list the same pages with the same flags, and hold the same bytes. */
async function same(a: string, b: string): Promise<void> {
  const { lists, pages, compared } = await compare(a, b);
  assert.equal([lists, pages], [[], []], `${a} and ${b}`);
  assert.ok(compared > 10);
}

/** Filled from its process, from a store made of that, from images of it, and restored each time. */
async function fillAll(scene: Scene): Promise<void> {
  const { dir, original } = scene;
  const [process, store] = [`process:${original.pid}`, join(dir, 'store')];
  const fromProcess = await fill(scene, 'a', process);
  await must('fill', '-D', join(dir, 'skip'), '--from', process, '--store', store);
  const fromFile = await fill(scene, 'b', `file:${store}`);
  await same(fromProcess, fromFile);
  await dump(scene, 'full');
  const fromImages = await fill(scene, 'c', `images:${join(dir, 'full')}`);
  for (const images of [fromProcess, fromFile, fromImages]) await prove(scene, images);
  await prove(scene, fromProcess, '4.1.1');
}

const plain = [
  'anonymous',
  'sharedmem',
  'filemaps',
  'family',
  'memfds',
  'deletedmaps',
  'protections',
];
const huge = [['hugetlb'], ['hugetlb', 'memfd']];
for (const [fixture, ...args] of [...plain.map((one) => [one]), ...huge] as [
  string,
  ...string[],
][]) {
  const name = `${[fixture, ...args].join(' ')}, filled from its process, from images and from a file`;
  const run = () => withScene({ fixture, args }, fillAll);
  test(name, () => orSkip(name, () => withHugePages(fixture === 'hugetlb' ? 8 : 0, run)));
}

test('only what cannot come late: as a dump that skips what can', () =>
  orSkip('only eager', () =>
    withScene({ fixture: 'sharedmem' }, async (scene) => {
      const { dir, original } = scene;
      const from = `process:${original.pid}`;
      await dump(scene, 'lazy', '--skip-pages=lazy');
      const out = join(dir, 'out');
      await execa('mkdir', [out]);
      const args = ['fill', '-D', join(dir, 'skip'), '--from', from, '--only', 'eager', '-o', out];
      const { pages } = await must(...args);
      assert.ok(pages.late > 0 && pages.filled > 0);
      isTidy(out);
      await same(out, join(dir, 'lazy'));
      // And then the rest, in place: what it holds already is its own.
      const { pages: more } = await must('fill', '-D', out, '--from', from);
      assert.equal(more, { listed: pages.listed, filled: pages.late, kept: pages.filled, late: 0 });
      isTidy(out);
      await prove(scene, out);
    }),
  ));

async function checkStored(mode: 'all' | 'lazy', scene: Scene, { pages }: DumpResult) {
  const { dir } = scene;
  const [stored, store] = [join(dir, 'skip'), join(dir, 'store')];
  isTidy(stored);
  assert.is(statSync(store).mode & 0o777, 0o600);
  const classes = [pages.lazy, pages.other, pages.shared];
  const sum = (key: 'listed' | 'written') => classes.reduce((n, count) => n + count[key], 0);
  assert.is(statSync(store).size, sum('listed') * PAGE);
  assert.is(pages.lazy.written, 0);
  assert.is(sum('written'), mode === 'all' ? 0 : pages.other.listed + pages.shared.listed);
  // It lists what a full dump does, which has read the pages, too, and left out those of zeros.
  await dump(scene, 'full');
  const full = await readSet(join(dir, 'full'));
  const isLate = (flags: number) => mode === 'all' || (flags & PE_LAZY) !== 0;
  for (const map of full.pagemaps) {
    const late = map.runs.map((run) => ({
      ...run,
      flags: isLate(run.flags) ? PE_LAZY : run.flags,
    }));
    map.listed = mergeNeighbours(late);
  }
  const { lists, pages: different } = await compareSets(full, await readSet(stored));
  assert.equal([lists, different], [[], []]);
  const filled = await must('fill', '-D', stored, '--from', `file:${store}`);
  assert.is(filled.pages.kept, sum('written'));
  await prove(scene, stored);
}

for (const mode of ['all', 'lazy'] as const) {
  const name = `a dump of --skip-pages=${mode} whose pages go to a store`;
  const args = (dir: string) => [`--skip-pages=${mode}`, '--page-store', join(dir, 'store')];
  const check = (scene: Scene, first: DumpResult) => checkStored(mode, scene, first);
  test(name, () => orSkip(name, () => withScene({ fixture: 'sharedmem' }, check, args)));
}

test('the writing of a store is told as it goes on', () =>
  orSkip('progress of a store', () =>
    withTemp(async (dir) => {
      const target = await Target.start('anonymous', join(dir, 'state'));
      try {
        const [imagesDir, pageStore] = [join(dir, 'images'), join(dir, 'store')];
        await execa('mkdir', [imagesDir]);
        const steps: Progress[] = [];
        await dumpTree({
          ...{ tree: target.pid, imagesDir, skipPages: 'all', pageStore, leaveRunning: true },
          onProgress: (progress) => steps.push(progress),
        });
        const written = steps.filter(({ phase }) => phase === 'write');
        const total = statSync(pageStore).size / PAGE;
        assert.ok(written.length > 1);
        assert.equal(written.at(-1), { phase: 'write', done: total, total });
      } finally {
        await target.end();
      }
    }),
  ));

test('a store that is there is not overwritten, and one of a dump that fails goes', () =>
  orSkip('a store in the way', () =>
    withTemp(async (dir) => {
      const target = await Target.start('anonymous', join(dir, 'state'));
      try {
        const [images, store] = [join(dir, 'images'), join(dir, 'store')];
        await execa('mkdir', [images]);
        const args = ['dump', '-t', `${target.pid}`, '-D', images, '--page-store', store];
        const { code, stderr } = await ckpt(args);
        assert.is(code, 2);
        assert.match(stderr, '--page-store without --skip-pages');
        const script = await ckpt([...args, '--skip-pages', '--action-script', '/bin/false']);
        assert.is(script.code, 1);
        const late = join(dir, 'late');
        writeFileSync(late, '#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" != post-dump ]\n', {
          mode: 0o700,
        });
        assert.is((await ckpt([...args, '--skip-pages', '--action-script', late])).code, 1);
        assert.equal(readdirSync(images), []);
        assert.equal(readdirSync(dir).sort(), ['images', 'late', 'state']);
        writeFileSync(store, 'precious');
        const there = await ckpt([...args, '--skip-pages']);
        assert.match(there.stderr, /store is there already/);
        assert.is(readFileSync(store, 'utf8'), 'precious');
        await target.ask();
      } finally {
        await target.end();
      }
    }),
  ));

test('the original goes on as if nobody had read it', () =>
  orSkip('the original goes on', () =>
    withScene({ fixture: 'anonymous' }, async (scene) => {
      const { original } = scene;
      await fill(scene, 'a', `process:${original.pid}`);
      for (const pid of [original.pid, ...descendants(original.pid)]) process.kill(pid, 'SIGCONT');
      assert.ok((await original.ask()) >= scene.beats);
    }),
  ));

test.run();
