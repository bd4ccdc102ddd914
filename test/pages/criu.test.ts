// Pages from stock criu's page servers, of both generations.
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PE_LAZY } from '../../src/images/pagemap.js';
import { CriuSource } from '../../src/pages/criu.js';
import { fill } from '../../src/pages/fill/fill.js';
import { ImagesSource } from '../../src/pages/images.js';
import type { PageRun } from '../../src/pages/source.js';
import type { Manifest } from '../../src/pages/manifest.js';
import { readManifest } from '../../src/pages/read-manifest.js';
import { reliable } from '../../src/pages/retry.js';
import { mustDump } from '../support/dump.js';
import { restore } from '../support/restore.js';
import { orSkip } from '../support/skip.js';
import { Target } from '../support/target.js';
import { withTemp } from '../support/temp.js';
import { until } from '../support/until.js';
import { freePort, listens, startCriu, VERSIONS, withCriuServer, withLargePipes } from './criu.js';
import { HASTY, mustFail } from './store.js';

type Version = (typeof VERSIONS)[number];

/** Runs `use` with a set that criu dumped of a process with 8 MiB of pages, which lives on. */
async function withSet(
  version: Version,
  use: (images: string, original: Target, dir: string) => Promise<void>,
): Promise<void> {
  await withTemp(async (dir) => {
    const original = await Target.start('anonymous', join(dir, 'state'), ['8', 'dense']);
    try {
      const images = join(dir, 'images');
      await mustDump('criu', original.pid, images, { leaveRunning: true, version });
      await use(images, original, dir);
    } finally {
      await original.end();
    }
  });
}

function lazyRuns(set: Manifest): PageRun[] {
  return set.owners.flatMap(({ owner, ranges }) =>
    ranges
      .filter(({ flags }) => flags & PE_LAZY)
      .map(({ page, count }) => ({ owner, page, count })),
  );
}

/** Reads all that a server has, all at once, and compares it with the images. */
async function mustBeEqual(set: Manifest, source: CriuSource): Promise<number> {
  const own = new ImagesSource(set.dir);
  await own.open(set);
  const runs = lazyRuns(set);
  const got = await Promise.all(runs.map((run) => source.read(run)));
  for (const [i, run] of runs.entries()) {
    assert.ok(Buffer.from(await own.read(run)).equals(got[i]!), `pages at ${run.page}`);
  }
  await own.close();
  return runs.reduce((sum, { count }) => sum + count, 0);
}

/** Dumps the original, which stands still until all its late pages have been filled in. */
async function dumpLazily(version: Version, original: Target, images: string): Promise<void> {
  const port = await freePort();
  const address = ['--address', '127.0.0.1', '--port', `${port}`];
  await mkdir(images);
  await withLargePipes(async () => {
    const args = ['dump', '-t', `${original.pid}`, '--lazy-pages', ...address];
    const dumping = startCriu(version, images, args);
    try {
      await until('criu listens', () => listens(port), 20_000);
      const { pages } = await fill({ imagesDir: images, from: `criu:127.0.0.1:${port}` });
      assert.ok(pages.filled > 2000, `${pages.filled} pages came late`);
      assert.is(await dumping.ended, 0);
    } finally {
      await dumping.end();
    }
  });
}

for (const version of VERSIONS) {
  const layout = version === '4.2.1' ? '4.2' : '4.1';
  for (const option of ['', `?layout=${layout}`]) {
    const name = `criu ${version} page-server --lazy-pages, asked for 'criu:HOST:PORT${option}'`;
    const serves = (): Promise<void> =>
      withSet(version, (images) =>
        withCriuServer(version, images, async (port) => {
          const set = await readManifest(images);
          const source = CriuSource.parse(`127.0.0.1:${port}${option}`);
          await source.open(set);
          assert.ok((await mustBeEqual(set, source)) > 2000);
          await source.close();
        }),
      );
    test(name, () => orSkip(name, serves));
  }

  const refuses = `criu ${version}: what it does not have is not asked for`;
  const notAsked = (): Promise<void> =>
    withSet(version, (images) =>
      withCriuServer(version, images, async (port) => {
        const set = await readManifest(images);
        const source = CriuSource.parse(`127.0.0.1:${port}`);
        await source.open(set);
        const { owner, ranges } = set.owners[0]!;
        const { page } = ranges.find(({ flags }) => !(flags & PE_LAZY))!;
        const why = /no pages .*: a page server has only pages that a restore can take late$/;
        await mustFail(source.read({ owner, page, count: 1 }), 'E_PAGE_SOURCE', why);
        await mustFail(source.read({ owner, page: 1, count: 1 }), 'E_PAGE_SOURCE', why);
        await mustFail(source.read({ owner: { shmem: 1n }, page, count: 1 }), 'E_PAGE_SOURCE', why);
        await mustBeEqual(set, source); // it is still there
        await source.close();
      }),
    );
  test(refuses, () => orSkip(refuses, notAsked));

  const live = `criu ${version} dump --lazy-pages, filled from it, and restored`;
  const fills = (): Promise<void> =>
    withTemp(async (dir) => {
      const original = await Target.start('anonymous', join(dir, 'state'), ['8', 'dense']);
      try {
        const beats = await original.ask();
        const images = join(dir, 'images');
        await cp(original.state, join(dir, 'copy'), { recursive: true });
        await dumpLazily(version, original, images);
        const copy = await restore(images, original, { version, state: join(dir, 'copy') });
        assert.ok((await copy.ask()) >= beats);
        await copy.end();
      } finally {
        await original.end();
      }
    });
  test(live, () => orSkip(live, fills));
}

test('nobody listens: an error after a few tries', async () => {
  const port = await freePort();
  const source = reliable(CriuSource.parse(`127.0.0.1:${port}`), HASTY);
  const message = /^criu:127.0.0.1:\d+: gave up after 3 tries: connect ECONNREFUSED/;
  const set = { dir: '/no/such/set', owners: [], pages: 0 };
  await mustFail(source.open!(set), 'E_PAGE_SOURCE', message);
});

test('what is not of the form is a usage error', () => {
  for (const text of ['', 'host', 'host:', 'host:99999', 'host:1/a', 'h:1?layout=5', 'h:1?a=b']) {
    assert.throws(() => CriuSource.parse(text), /is not of the form criu:HOST:PORT/, text);
  }
  assert.throws(() => CriuSource.parse('h:1?tls-key=k'), /is not of the form/);
  assert.is(CriuSource.parse('[::1]:1?layout=4.1').name, 'criu:[::1]:1?layout=4.1');
});

test.run();
