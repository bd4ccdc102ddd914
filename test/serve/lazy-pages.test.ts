// Lazy restores by stock criu, whose pages `ckpt lazy-pages` serves from every kind of local source.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ckpt } from '../cli/ckpt.js';
import { mustDump } from '../support/dump.js';
import { ckptMain } from '../support/paths.js';
import { orSkip } from '../support/skip.js';
import { until } from '../support/until.js';
import { spoilLazyPages, VERSIONS } from '../pages/criu.js';
import {
  dump,
  endsWell,
  prove,
  restoreLazily,
  type Scene,
  type Served,
  storeOf,
  withScene,
  withServer,
} from './server.js';

let copies = 0;

/** Serves one copy from a source until it has all its pages. */
async function serveOne(scene: Scene, images: string, args: string[]): Promise<Served> {
  let served: Served | undefined;
  await withServer(images, args, async (server) => {
    const copy = await restoreLazily(scene, images, `copy${copies++}`);
    await prove(copy, scene.beats);
    served = await endsWell(server);
    assert.not.ok(existsSync(join(images, 'lazy-pages.socket')));
  });
  return served!;
}

for (const fixture of ['anonymous', 'zeros', 'family', 'sharedmem', 'filemaps', 'threads']) {
  const name = `${fixture}, without late pages, served from its process, from images and from a file`;
  test(name, () =>
    orSkip(name, () =>
      withScene(fixture, async (scene) => {
        const images = await dump(scene, 'lazy', '--skip-pages=lazy');
        const full = await dump(scene, 'full');
        const file = await storeOf(scene, images);
        for (const from of [`process:${scene.original.pid}`, `images:${full}`, `file:${file}`]) {
          const { sessions, lost } = await serveOne(scene, images, ['--from', from]);
          assert.is(sessions.length, 1);
          assert.equal(lost, []);
          assert.ok(sessions[0]!.demanded + sessions[0]!.prefetched > 0);
        }
      }),
    ),
  );
}

for (const version of VERSIONS) {
  test(`a full set by criu ${version} is served to it in the same way, its own pages unread`, () =>
    orSkip(`a set by criu ${version}`, () =>
      withScene('anonymous', async (scene) => {
        const [full, images] = [join(scene.dir, 'full'), join(scene.dir, 'images')];
        process.kill(scene.original.pid, 'SIGSTOP');
        await mustDump('criu', scene.original.pid, full, { leaveRunning: true, version });
        await mustDump('criu', scene.original.pid, images, { leaveRunning: true, version });
        process.kill(scene.original.pid, 'SIGCONT');
        assert.ok((await spoilLazyPages(images)) > 0);
        await withServer(images, ['--from', `images:${full}`], async (server) => {
          const copy = await restoreLazily(scene, images, 'copy', [], version);
          process.kill(copy.pid, 'SIGCONT'); // it was stopped when it was dumped
          await prove(copy, scene.beats);
          await endsWell(server);
        });
      }),
    ));
}

test('a set of ours comes late by criu 4.1.1, too', () =>
  orSkip('late, by criu 4.1.1', () =>
    withScene('family', async (scene) => {
      const images = await dump(scene, 'full');
      await withServer(images, [], async (server) => {
        await prove(await restoreLazily(scene, images, 'copy', [], '4.1.1'), scene.beats);
        await endsWell(server);
      });
    }),
  ));

for (const prefetch of ['none', 'sequential']) {
  const name = `memory that is forked, moved, unmapped and emptied while it is missing: ${prefetch}`;
  test(name, () =>
    orSkip(name, () =>
      withScene(
        'lively',
        async (scene) => {
          const images = await dump(scene, 'full');
          await withServer(images, ['--prefetch', prefetch], async (server) => {
            await prove(await restoreLazily(scene, images), scene.beats, 6);
            const { sessions } = await endsWell(server);
            const [{ children, dropped, poisoned }] = sessions as [(typeof sessions)[0]];
            assert.is(poisoned, 0);
            if (prefetch === 'none') assert.ok(children > 0 && dropped > 0);
          });
        },
        ['8192'],
      ),
    ),
  );
}

test('several copies from one server, of which one is killed in the middle', () =>
  orSkip('several copies', () =>
    withScene(
      'lively',
      async (scene) => {
        const images = await dump(scene, 'full');
        await withServer(images, ['--keep', '--prefetch', 'none'], async (server) => {
          const names = ['a', 'b', 'c'];
          const copies = await Promise.all(
            names.map((name) => restoreLazily(scene, images, name, ['-o', `${name}.log`])),
          );
          await copies[0]!.end();
          await Promise.all(copies.slice(1).map((copy) => prove(copy, scene.beats, 6)));
          await prove(await restoreLazily(scene, images, 'd'), scene.beats, 6);
          server.signal('SIGTERM');
          const { sessions } = await endsWell(server);
          assert.is(sessions.length, 4);
        });
      },
      ['8192'],
    ),
  ));

test('twenty copies from one server, ten at once', () =>
  orSkip('twenty copies', () =>
    withScene(
      'wide',
      async (scene) => {
        const images = await dump(scene, 'full');
        await withServer(images, ['--keep'], async (server) => {
          for (const wave of ['a', 'b']) {
            const names = Array.from({ length: 10 }, (_, n) => `${wave}${n}`);
            const copies = await Promise.all(
              names.map((name) => restoreLazily(scene, images, name, ['-o', `${name}.log`])),
            );
            await Promise.all(copies.map((copy) => prove(copy, scene.beats)));
          }
          server.signal('SIGTERM');
          const { sessions } = await endsWell(server);
          assert.is(sessions.length, 20);
        });
      },
      ['4'],
    ),
  ));

test('what was touched is recorded, and brought in that order', () =>
  orSkip('recorded', () =>
    withScene('anonymous', async (scene) => {
      const images = await dump(scene, 'full');
      const record = join(scene.dir, 'record');
      const first = await serveOne(scene, images, ['--prefetch', 'none', '--record', record]);
      assert.is(statSync(record).mode & 0o777, 0o600);
      const lines = readFileSync(record, 'utf8').trimEnd().split('\n');
      assert.is(lines[0], 'ckpt-record 1');
      const pages = lines.slice(1).reduce((sum, line) => sum + Number(line.split(' ')[2]), 0);
      assert.is(pages, first.sessions[0]!.demanded);
      await serveOne(scene, images, ['--prefetch', 'recorded', '--record', record]);
    }),
  ));

test('on a terminal it shows how far it is', () =>
  orSkip('progress of serving', () =>
    withScene('anonymous', async (scene) => {
      const images = await dump(scene, 'full');
      const words = [ckptMain, 'lazy-pages', '-D', images, '--prefetch', 'none'];
      const command = `${process.execPath} ${words.join(' ')}`;
      const options = { env: { TERM: 'xterm' }, stdin: 'ignore' } as const;
      const server = execa('script', ['-qec', command, '/dev/null'], options);
      let shown = '';
      server.stdout.on('data', (text) => (shown += text));
      try {
        await until('it serves', () => shown.includes('serving pages'), 20_000);
        const copy = await restoreLazily(scene, images);
        await until(
          'a bar',
          () => /bringing pages \[=* *\] \d+%  [\d.]+ \w+ of /.test(shown),
          20_000,
        );
        await copy.end();
        await server;
        assert.match(shown, /restore 1 has all its pages/);
      } finally {
        server.kill('SIGKILL');
        await server.catch(() => {});
      }
    }),
  ));

test('a set that lacks pages is not served from itself', () =>
  orSkip('lacking pages', () =>
    withScene('anonymous', async (scene) => {
      const images = await dump(scene, 'lazy', '--skip-pages=lazy');
      const { code, stderr } = await ckpt(['lazy-pages', '-D', images]);
      assert.is(code, 1);
      assert.match(stderr, /does not hold all/);
    }),
  ));

test.run();
