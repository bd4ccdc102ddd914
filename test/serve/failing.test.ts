// Sources that fail while a restored copy is running: what passes is not noticed; what stays kills who
// needs the pages, and ckpt says whose they were, which and why, in its exit code too.
import { truncateSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { constants } from 'node:os';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { failureOf } from '../../src/cli/lazy-pages.js';
import { parseSource } from '../../src/pages/open.js';
import { reliable } from '../../src/pages/retry.js';
import { serve } from '../../src/serve/serve.js';
import { freePort } from '../pages/criu.js';
import { withHttp } from '../pages/http-server.js';
import { withPageServer } from '../pages/server/command.js';
import { HASTY } from '../pages/store.js';
import { orSkip } from '../support/skip.js';
import type { Target } from '../support/target.js';
import { until } from '../support/until.js';
import {
  dump,
  endsWell,
  prove,
  restoreLazily,
  type Scene,
  type Server,
  storeOf,
  withScene,
  withServer,
} from './server.js';

const { SIGBUS } = constants.signals;

/** With a set whose pages are elsewhere. */
function failing(name: string, play: (scene: Scene, images: string) => Promise<void>): void {
  const inScene = async (scene: Scene): Promise<void> =>
    play(scene, await dump(scene, 'lazy', '--skip-pages=lazy'));
  test(name, () => orSkip(name, () => withScene('anonymous', inScene)));
}

/** Only what is touched is brought, so that pages are missing when `spoil` has had its effect. */
async function loses(
  scene: Scene,
  images: string,
  from: string,
  [reason, spoil]: [reason: RegExp, spoil: () => unknown],
): Promise<void> {
  await withServer(images, ['--from', from, '--prefetch', 'none'], async (server) => {
    const copy = await restoreLazily(scene, images);
    await spoil();
    await isKilled(copy);
    await tellsOfLoss(server, scene.original.pid, reason);
  });
}

/** Asks a copy, which has to be killed by the SIGBUS of a page that is lost: it neither hangs nor goes on. */
async function isKilled(copy: Target): Promise<void> {
  const answer = await copy.ask(30_000).catch((error: Error) => error.message);
  await copy.end();
  const deaths = [...copy.keeper.ended.values()];
  assert.ok(deaths.includes(-SIGBUS), `answer: ${answer}; deaths: ${deaths.join()}`);
}

async function tellsOfLoss(server: Server, pid: number, reason: RegExp): Promise<void> {
  const { code, served } = await server.ended;
  assert.is(code, 1);
  assert.not.ok(served.ok);
  const lost = served.lost[0]!;
  assert.is(lost.pid, pid);
  assert.is(
    lost.pages,
    lost.runs.reduce((sum, { count }) => sum + count, 0),
  );
  assert.match(lost.reason, reason);
  assert.match(
    server.said(),
    new RegExp(`lost: pages 0x[0-9a-f]+-0x[0-9a-f]+ of process ${pid}: `),
  );
}

failing('a file that becomes shorter', async (scene, images) => {
  const file = await storeOf(scene, images);
  const spoil = (): void => truncateSync(file, 4096);
  await loses(scene, images, `file:${file}`, [/store: byte \d+: it ends there/, spoil]);
});

failing('a page server that is killed', async (scene, images) => {
  const full = await dump(scene, 'full');
  const stop = new AbortController();
  await withPageServer(
    ['-D', full, '--lazy-pages'],
    async (address) => {
      const spoil = (): void => stop.abort();
      await loses(scene, images, `criu:${address}`, [/gave up after 6 tries.*ECONNREFUSED/, spoil]);
    },
    { killed: stop.signal },
  );
});

failing('a page server that is killed and comes back', async (scene, images) => {
  const full = await dump(scene, 'full');
  const port = await freePort();
  const words = ['-D', full, '--lazy-pages', '--address', '127.0.0.1', '--port', `${port}`];
  const from = `criu:127.0.0.1:${port}`;
  const stop = new AbortController();
  await withPageServer(
    words,
    async () =>
      withServer(images, ['--from', from, '--prefetch', 'none'], async (server) => {
        const copy = await restoreLazily(scene, images);
        stop.abort();
        const proof = prove(copy, scene.beats);
        await withPageServer(words, () => proof);
        assert.equal((await endsWell(server)).lost, []);
      }),
    { killed: stop.signal },
  );
});

function answer500(response: ServerResponse): boolean {
  response.writeHead(500).end();
  return true;
}

failing('a server that answers 500 for good', async (scene, images) => {
  let isBroken = false;
  await withHttp(
    await storeOf(scene, images),
    async (url) => {
      const spoil = (): boolean => (isBroken = true);
      await loses(scene, images, url, [/gave up after 6 tries: the server answers 500/, spoil]);
    },
    (response) => isBroken && answer500(response),
  );
});

failing('a server that answers 500 now and then', async (scene, images) => {
  let [answers, failures] = [0, 0];
  await withHttp(
    await storeOf(scene, images),
    (url) =>
      withServer(images, ['--from', url], async (server) => {
        await prove(await restoreLazily(scene, images), scene.beats);
        assert.equal((await endsWell(server)).lost, []);
        assert.ok(failures > 0);
      }),
    (response) => answers++ % 3 === 1 && answer500(response) && ++failures > 0,
  );
});

failing('a server that falls silent', async (scene, imagesDir) => {
  let isSilent = false;
  await withHttp(
    await storeOf(scene, imagesDir),
    async (url) => {
      const from = reliable(parseSource(url), HASTY); // 30 s a try otherwise
      let isListening = false;
      const onListening = (): void => void (isListening = true);
      const serving = serve({ imagesDir, from, prefetch: 'none', onListening });
      await Promise.race([until('it serves', () => isListening), serving]);
      const copy = await restoreLazily(scene, imagesDir);
      isSilent = true;
      await isKilled(copy);
      const failure = failureOf(await serving)!;
      assert.is(failure.exitCode, 1);
      const whose = `of process ${scene.original.pid}`;
      assert.match(failure.message, new RegExp(`pages 0x.* ${whose}.*3 tries: no answer in 0.3 s`));
    },
    () => isSilent,
  );
});

failing('a helper that is killed while somebody waits for a page', async (scene, images) => {
  let isSilent = false;
  let isAsked = false;
  await withHttp(
    await storeOf(scene, images),
    (url) =>
      withServer(images, ['--from', url, '--prefetch', 'none'], async (server) => {
        const copy = await restoreLazily(scene, images);
        isSilent = true;
        const killed = isKilled(copy);
        await until('it waits', () => isAsked, 20_000);
        process.kill(server.helper(), 'SIGKILL');
        await killed; // it finds no zeros
        const { code, served } = await server.ended;
        assert.is(code, 1);
        assert.match(JSON.stringify(served), /the helper ended too early: killed by SIGKILL/);
      }),
    () => isSilent && (isAsked = true),
  );
});

failing('a source that is silent, and a server that has to stop at once', async (scene, images) => {
  let isSilent = false;
  let isAsked = false;
  await withHttp(
    await storeOf(scene, images),
    (url) =>
      withServer(images, ['--from', url, '--prefetch', 'none'], async (server) => {
        const copy = await restoreLazily(scene, images);
        isSilent = true;
        server.signal('SIGTERM');
        await until('the rest is asked for', () => isAsked, 20_000);
        server.signal('SIGTERM');
        await tellsOfLoss(server, scene.original.pid, /the server was told to stop/);
        await isKilled(copy);
      }),
    () => isSilent && (isAsked = true),
  );
});

test.run();
