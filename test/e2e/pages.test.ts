// Sets without pages, filled from every kind of source, and brought back to life by stock criu.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { FillResult } from '../../src/pages/fill/options.js';
import { ckpt } from '../cli/ckpt.js';
import { compare } from '../support/compare.js';
import { mustDump } from '../support/dump.js';
import { descendants } from '../support/proc.js';
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
function dump({ dir, original }: Scene, name: string, ...args: string[]): Promise<unknown> {
  return mustDump('ckpt', original.pid, join(dir, name), { args: ['-s', ...args] });
}

/** Runs `use` with a fixture that was dumped without its pages, into `skip`, and left stopped. */
async function withScene(fixture: string, use: (scene: Scene) => Promise<void>): Promise<void> {
  await withTemp(async (dir) => {
    const original = await Target.start(fixture, join(dir, 'state'));
    try {
      const scene = { dir, original, beats: await original.ask() };
      await dump(scene, 'skip', '--skip-pages');
      await use(scene);
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

for (const fixture of ['anonymous', 'sharedmem', 'filemaps', 'family', 'memfds', 'deletedmaps']) {
  const name = `${fixture}, filled from its process, from images and from a file`;
  test(name, () =>
    orSkip(name, () =>
      withScene(fixture, async (scene) => {
        const { dir, original } = scene;
        const store = join(dir, 'store');
        const fromProcess = await fill(scene, 'a', `process:${original.pid}`);
        await must(
          'fill',
          '-D',
          join(dir, 'skip'),
          '--from',
          `process:${original.pid}`,
          '--store',
          store,
        );
        const fromFile = await fill(scene, 'b', `file:${store}`);
        await same(fromProcess, fromFile);
        await dump(scene, 'full');
        const fromImages = await fill(scene, 'c', `images:${join(dir, 'full')}`);
        for (const images of [fromProcess, fromFile, fromImages]) await prove(scene, images);
        await prove(scene, fromProcess, '4.1.1');
      }),
    ),
  );
}

test('only what cannot come late: as a dump that skips what can', () =>
  orSkip('only eager', () =>
    withScene('sharedmem', async (scene) => {
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

test('the original goes on as if nobody had read it', () =>
  orSkip('the original goes on', () =>
    withScene('anonymous', async (scene) => {
      const { original } = scene;
      await fill(scene, 'a', `process:${original.pid}`);
      for (const pid of [original.pid, ...descendants(original.pid)]) process.kill(pid, 'SIGCONT');
      assert.ok((await original.ask()) >= scene.beats);
    }),
  ));

test.run();
