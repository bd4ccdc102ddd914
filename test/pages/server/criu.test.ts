// Our page server with stock criu at the other end: dumps that come in, lazy restores that are served.
import { cp, mkdir, readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { takePages } from '../../../src/pages/server/server.js';
import { compare } from '../../support/compare.js';
import { type Dumper, mustDump } from '../../support/dump.js';
import { PE_LAZY, PE_PRESENT, readSet } from '../../support/pages.js';
import type { CriuVersion } from '../../support/paths.js';
import { restore } from '../../support/restore.js';
import { orSkip } from '../../support/skip.js';
import { Target } from '../../support/target.js';
import { withTemp } from '../../support/temp.js';
import { until } from '../../support/until.js';
import { spoilLazyPages, startCriu, VERSIONS } from '../criu.js';
import { withPageServer } from './command.js';

async function withTarget(
  fixture: string,
  args: string[],
  use: (original: Target, dir: string) => Promise<void>,
): Promise<void> {
  await withTemp(async (dir) => {
    const original = await Target.start(fixture, join(dir, 'state'), args);
    try {
      await use(original, dir);
    } finally {
      await original.end();
    }
  });
}

/** Restores beside the original, and has the copy prove its state, twice. */
async function prove(
  version: CriuVersion,
  images: string,
  original: Target,
  beats: number,
  args: string[] = [],
): Promise<void> {
  const state = `${images}.state`;
  await cp(original.state, state, { recursive: true });
  const copy = await restore(images, original, { version, state, args });
  try {
    assert.ok((await copy.ask()) >= beats);
    await copy.ask();
  } finally {
    await copy.end();
  }
}

/** Brings the pages that a server took to the other images of their dump. */
async function bring(pages: string, images: string): Promise<void> {
  for (const name of await readdir(pages)) await rename(join(pages, name), join(images, name));
}

for (const version of VERSIONS) {
  for (const [fixture, args] of [
    ['anonymous', ['8', 'sparse']],
    ['sharedmem', []],
    ['family', []],
  ] as const) {
    const name = `criu ${version} dump --page-server of ${fixture}: the images restore`;
    const takes = (): Promise<void> =>
      withTarget(fixture, [...args], async (original, dir) => {
        const [pages, images] = [join(dir, 'pages'), join(dir, 'images')];
        await mkdir(pages);
        const beats = await original.ask();
        const server = await takePages(pages);
        const { address, port } = server;
        const to = ['--page-server', '--address', address, '--port', `${port}`];
        await mustDump('criu', original.pid, images, { leaveRunning: true, args: to, version });
        const received = await server.done;
        await server.close();
        const names = await readdir(pages);
        assert.is(names.length, 2 * received.owners);
        assert.ok(names.includes(`pages-${0x10001}.img`), names.join(' '));
        for (const file of names) assert.is((await stat(join(pages, file))).mode & 0o777, 0o600);
        assert.not.ok((await readdir(images)).some((file) => file.startsWith('pages')));
        await bring(pages, images);
        await prove(version, images, original, beats);
      });
    test(name, () => orSkip(name, takes));
  }
}

const same = 'what comes in is what criu’s own page server makes of it';
const isSame = (): Promise<void> =>
  withTarget('anonymous', ['4', 'dense'], async (original, dir) => {
    const [pages, images, own] = [join(dir, 'pages'), join(dir, 'images'), join(dir, 'own')];
    await mkdir(pages);
    process.kill(original.pid, 'SIGSTOP');
    await mustDump('criu', original.pid, own, { leaveRunning: true });
    const server = await takePages(pages);
    const to = ['--page-server', '--address', server.address, '--port', `${server.port}`];
    await mustDump('criu', original.pid, images, { leaveRunning: true, args: to });
    await server.done;
    await server.close();
    const { lists, pages: different, compared } = await compare(own, pages);
    assert.equal(lists, []);
    // The kernel may write the number of a processor into a thread's rseq area.
    assert.ok(different.length <= 1 && compared > 1000, `${different.length} of ${compared}`);
    process.kill(original.pid, 'SIGCONT');
  });
test(same, () => orSkip(same, isSame));

/** Restores `images` lazily, all late pages coming from a page server. */
async function restoreLazily(
  version: CriuVersion,
  images: string,
  address: string,
  original: Target,
  beats: number,
): Promise<void> {
  const [host, port] = address.split(':');
  const to = ['--page-server', '--address', host!, '--port', port!];
  const daemon = startCriu(version, images, ['lazy-pages', ...to]);
  try {
    const socket = join(images, 'lazy-pages.socket');
    await until('criu lazy-pages is ready', () => stat(socket).then(Boolean, () => false));
    await prove(version, images, original, beats, ['--lazy-pages']);
    assert.is(await daemon.ended, 0);
  } finally {
    await daemon.end();
  }
}

for (const version of VERSIONS) {
  for (const fixture of ['anonymous', 'family']) {
    const name = `criu ${version} lazy-pages --page-server restores ${fixture} from a set`;
    const gives = (): Promise<void> =>
      withTarget(fixture, [], async (original, dir) => {
        const [full, images] = [join(dir, 'full'), join(dir, 'images')];
        const beats = await original.ask();
        await mustDump('criu', original.pid, full, { leaveRunning: true, version });
        await cp(full, images, { recursive: true });
        assert.ok((await spoilLazyPages(images)) > 0);
        await withPageServer(['--lazy-pages', '-D', full], (address) =>
          restoreLazily(version, images, address, original, beats),
        );
      });
    test(name, () => orSkip(name, gives));
  }
}

const spoilt = 'without the server, such a set is not what it was';
const isSpoilt = (): Promise<void> =>
  withTarget('anonymous', [], async (original, dir) => {
    const images = join(dir, 'images');
    const beats = await original.ask();
    await mustDump('criu', original.pid, images, { leaveRunning: true });
    await spoilLazyPages(images);
    const fault = await prove('4.2.1', images, original, beats).catch((error: Error) => error);
    assert.instance(fault, Error);
  });
test(spoilt, () => orSkip(spoilt, isSpoilt));

const fromOriginal = 'criu lazy-pages --page-server restores from the original that stands still';
const fromProcess = (): Promise<void> =>
  withTarget('anonymous', ['8', 'dense'], async (original, dir) => {
    const images = join(dir, 'images');
    const beats = await original.ask();
    const args = ['--skip-pages=lazy', '--leave-stopped'];
    await mustDump('ckpt' satisfies Dumper, original.pid, images, { args });
    const { pagemaps } = await readSet(images);
    const late = pagemaps.flatMap(({ runs }) => runs.filter(({ flags }) => flags === PE_LAZY));
    assert.ok(late.length > 0 && late.every(({ flags }) => !(flags & PE_PRESENT)));
    const server = ['--lazy-pages', '-D', images, '--from', `process:${original.pid}`];
    await withPageServer(server, (address) =>
      restoreLazily('4.2.1', images, address, original, beats),
    );
    process.kill(original.pid, 'SIGCONT');
    await original.ask();
  });
test(fromOriginal, () => orSkip(fromOriginal, fromProcess));

test.run();
