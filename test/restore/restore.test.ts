// `ckpt restore` with stock criu: full sets, and sets whose pages come from elsewhere.
import { existsSync, readdirSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ckpt } from '../cli/ckpt.js';
import { dump, prove, type Scene, storeOf, withScene } from '../serve/server.js';
import { keep } from '../support/keeper.js';
import { checkout, ckptMain, oracleProgram } from '../support/paths.js';
import { orSkip } from '../support/skip.js';
import type { Target } from '../support/target.js';
import { until } from '../support/until.js';

let copies = 0;

/** Restores a copy in fresh namespaces, by `ckpt restore`. */
async function restored(scene: Scene, images: string, ...args: string[]): Promise<Target> {
  const { dir, original } = scene;
  const state = join(dir, `copy${copies++}`);
  await cp(original.state, state, { recursive: true });
  const criu = ['--criu', oracleProgram('4.2.1', 'criu'), '-d', '-o', 'restore.log', '-v4'];
  const command = [process.execPath, ckptMain, 'restore', '-D', images, ...criu, ...args];
  const keeper = await keep(command, { fresh: { source: state, target: original.state } });
  const code = await until('ckpt restore', () => keeper.ended.get(keeper.started), 60_000);
  if (code === 0) return original.restored(keeper, state);
  await keeper.end();
  throw new Error(`ckpt restore: ${code}`);
}

/** Nothing is left of it but criu's log, and stats-restore. */
function isTidy(images: string): void {
  const odd = readdirSync(images).filter((name) => !/\.img$|^stats-|^restore\.log$/.test(name));
  assert.equal(odd, []);
  assert.ok(existsSync(join(images, 'restore.log')));
}

test('a full set is criu’s to restore', () =>
  orSkip('restore: full', () =>
    withScene('anonymous', async (scene) => {
      const images = await dump(scene, 'full');
      await prove(await restored(scene, images), scene.beats);
      isTidy(images);
    }),
  ));

for (const fixture of ['anonymous', 'sharedmem', 'family']) {
  for (const skipped of ['all', 'lazy']) {
    const name = `${fixture}, dumped with --skip-pages=${skipped}: what cannot come late comes before`;
    test(name, () =>
      orSkip(name, () =>
        withScene(fixture, async (scene) => {
          const images = await dump(scene, 'images', `--skip-pages=${skipped}`);
          const full = await dump(scene, 'full');
          const copy = await restored(scene, images, '--from', `images:${full}`);
          await prove(copy, scene.beats);
          isTidy(images);
        }),
      ),
    );
  }
}

test('a program of one’s own is started where ckpt runs, in fresh namespaces here', () =>
  orSkip('restore: exec', () =>
    withScene('anonymous', async (scene) => {
      const images = await dump(scene, 'images', '--skip-pages');
      const program = join(checkout, 'test/pages/pages-program.py');
      const from = `exec:python3 ${program} ${await storeOf(scene, images)}`;
      await prove(await restored(scene, images, '--from', from), scene.beats);
      isTidy(images);
    }),
  ));

test('a full set may come late too', () =>
  orSkip('restore: full, late', () =>
    withScene('lively', async (scene) => {
      const images = await dump(scene, 'full');
      await prove(await restored(scene, images, '--lazy-pages'), scene.beats, 6);
    }),
  ));

test('where pages are lacking, or criu fails, it says so and leaves nothing behind', () =>
  orSkip('restore: failures', () =>
    withScene('anonymous', async (scene) => {
      const images = await dump(scene, 'all', '--skip-pages');
      const full = await dump(scene, 'full');
      const before = readdirSync(images).sort();
      const lacking = await ckpt(['restore', '-D', images]);
      assert.is(lacking.code, 1);
      assert.match(lacking.stderr, /lacks \d+ of the pages that it lists \(.*--from/);
      const from = ['--from', `images:${full}`];
      const gone = await ckpt(['restore', '-D', images, ...from, '--criu', '/nowhere/criu']);
      assert.is(gone.code, 1);
      assert.match(gone.stderr, /\/nowhere\/criu cannot be started.*--criu PATH/);
      const failing = await ckpt([
        'restore',
        '-D',
        images,
        ...from,
        '--criu',
        '/bin/false',
        '--json',
      ]);
      assert.is(failing.code, 1);
      const { ok, code, served } = JSON.parse(failing.stdout);
      assert.equal([ok, code, served.sessions], [false, 1, []]);
      assert.equal(readdirSync(images).sort(), before);
    }),
  ));

test.run();
