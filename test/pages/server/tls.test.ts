// TLS, with certificates on both sides: with stock criu at either end, and refused.
import { cp, mkdir, readdir, rename } from 'node:fs/promises';
import { connect as connectTcp, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CriuSource } from '../../../src/pages/criu.js';
import { readManifest } from '../../../src/pages/read-manifest.js';
import { reliable } from '../../../src/pages/retry.js';
import { ImagesSource } from '../../../src/pages/images.js';
import { servePages, takePages } from '../../../src/pages/server/server.js';
import { loadTls } from '../../../src/pages/tls.js';
import { mustDump } from '../../support/dump.js';
import { restore } from '../../support/restore.js';
import { orSkip } from '../../support/skip.js';
import { Target } from '../../support/target.js';
import { withTemp } from '../../support/temp.js';
import { until } from '../../support/until.js';
import { certify, tlsOptions, type Identity } from '../certificates.js';
import { spoilLazyPages, startCriu, VERSIONS, withCriuServer } from '../criu.js';
import { HASTY, mustFail, set } from '../store.js';
import { withPageServer } from './command.js';

interface Scene {
  dir: string;
  original: Target;
  identity: Identity;
}

async function withScene(use: (scene: Scene) => Promise<void>): Promise<void> {
  await withTemp(async (dir) => {
    const identity = await certify(dir, 'friend');
    const original = await Target.start('anonymous', join(dir, 'state'), ['4', 'dense']);
    try {
      await use({ dir, original, identity });
    } finally {
      await original.end();
    }
  });
}

const specOf = (port: number, { cacert, cert, key }: Identity, layout: string): string =>
  `127.0.0.1:${port}?layout=${layout}&tls&tls-cacert=${cacert}&tls-cert=${cert}&tls-key=${key}`;

for (const version of VERSIONS) {
  const dumps = `criu ${version} dump --page-server --tls into ours, restored`;
  const takes = (): Promise<void> =>
    withScene(async ({ dir, original, identity }) => {
      const [pages, images, state] = ['pages', 'images', 'copy'].map((name) => join(dir, name));
      await mkdir(pages!);
      const beats = await original.ask();
      const server = await takePages(pages!, { tls: loadTls(identity) });
      const to = ['--page-server', '--address', server.address, '--port', `${server.port}`];
      const args = [...to, ...tlsOptions(identity)];
      try {
        await mustDump('criu', original.pid, images!, { leaveRunning: true, args, version });
        assert.ok((await server.done).pages > 1000);
      } finally {
        await server.close();
      }
      for (const name of await readdir(pages!)) {
        await rename(join(pages!, name), join(images!, name));
      }
      await cp(original.state, state!, { recursive: true });
      const copy = await restore(images!, original, { version, state: state! });
      assert.ok((await copy.ask()) >= beats);
      await copy.end();
    });
  test(dumps, () => orSkip(dumps, takes));

  const lazily = `criu ${version} lazy-pages --page-server --tls from ours, restored`;
  const gives = (): Promise<void> =>
    withScene(async ({ dir, original, identity }) => {
      const [full, images, state] = ['full', 'images', 'copy'].map((name) => join(dir, name));
      const beats = await original.ask();
      await mustDump('criu', original.pid, full!, { leaveRunning: true, version });
      await cp(full!, images!, { recursive: true });
      await spoilLazyPages(images!);
      await cp(original.state, state!, { recursive: true });
      const server = ['--lazy-pages', '-D', full!, ...tlsOptions(identity)];
      await withPageServer(server, async (address) => {
        const [host, port] = address.split(':');
        const to = ['--page-server', '--address', host!, '--port', port!, ...tlsOptions(identity)];
        const daemon = startCriu(version, images!, ['lazy-pages', ...to]);
        try {
          const isReady = async (): Promise<boolean> =>
            (await readdir(images!)).includes('lazy-pages.socket');
          await until('criu lazy-pages is ready', isReady);
          const args = ['--lazy-pages'];
          const copy = await restore(images!, original, { version, state: state!, args });
          assert.ok((await copy.ask()) >= beats);
          await copy.end();
        } finally {
          await daemon.end();
        }
      });
    });
  test(lazily, () => orSkip(lazily, gives));

  const asks = `pages from criu ${version} page-server --lazy-pages --tls`;
  const reads = (): Promise<void> =>
    withScene(async ({ dir, original, identity }) => {
      const images = join(dir, 'images');
      await mustDump('criu', original.pid, images, { leaveRunning: true, version });
      const use = async (port: number): Promise<void> => {
        const manifest = await readManifest(images);
        const own = new ImagesSource(images);
        await own.open(manifest);
        const source = CriuSource.parse(
          specOf(port, identity, version === '4.2.1' ? '4.2' : '4.1'),
        );
        await source.open(manifest);
        const { owner, ranges } = manifest.owners[0]!;
        for (const { page, count } of ranges.filter(({ eager }) => !eager)) {
          const run = { owner, page, count };
          assert.ok(Buffer.from(await own.read(run)).equals(await source.read(run)));
        }
        await source.close();
        await own.close();
      };
      await withCriuServer(version, images, use, tlsOptions(identity));
    });
  test(asks, () => orSkip(asks, reads));
}

/** Runs `use` with a server that wants certificates, and what it says. */
async function withServer(
  use: (port: number, lines: string[], dir: string, identity: Identity) => Promise<void>,
): Promise<void> {
  await withTemp(async (dir) => {
    const identity = await certify(dir, 'friend');
    const lines: string[] = [];
    const source = { name: 'none', read: () => Promise.reject(new Error('no pages')) };
    const onLog = (line: string): void => void lines.push(line);
    const server = await servePages(set, source, { tls: loadTls(identity), onLog });
    try {
      await use(server.port, lines, dir, identity);
    } finally {
      await server.close();
    }
  });
}

const closed = (socket: Socket): Promise<unknown> =>
  new Promise((resolve) => socket.once('close', resolve));

const refused = 'a client without the right certificate is refused with one line';
const refuses = (): Promise<void> =>
  withServer(async (port, lines, dir, identity) => {
    const stranger = await certify(dir, 'stranger');
    const clients = {
      'of another authority': { ...loadTls(stranger), ca: loadTls(identity).ca },
      'without any': { ca: loadTls(identity).ca },
    };
    for (const [who, context] of Object.entries(clients)) {
      lines.length = 0;
      const socket = connectTls({ port, host: '127.0.0.1', ...context });
      socket.on('error', () => {});
      socket.write('x');
      await closed(socket);
      await until(`a line on one ${who}`, () => lines.length > 0);
      assert.match(lines.join('\n'), /^refused 127\.0\.0\.1:\d+: no TLS session: [^\n]+$/, who);
    }
    lines.length = 0;
    const socket = connectTcp({ port, host: '127.0.0.1' });
    socket.on('error', () => {});
    socket.end('no TLS at all, and long enough');
    await closed(socket.resume());
    await until('a line on one without TLS', () => lines.length > 0);
    assert.match(
      lines.join('\n'),
      /^refused (127\.0\.0\.1:\d+|a client that has left): no TLS session: [^\n]+$/,
    );
    const friend = CriuSource.parse(specOf(port, identity, '4.2'));
    await friend.open(set);
    await friend.close();
  });
test(refused, () => orSkip(refused, refuses));

const wary = 'a server of another authority, or of another name, is refused by our client';
const isWary = (): Promise<void> =>
  withServer(async (port, _, dir, identity) => {
    const stranger = await certify(dir, 'stranger');
    const spec = specOf(port, { ...identity, cacert: stranger.cacert }, '4.2');
    const opened = reliable(CriuSource.parse(spec), HASTY).open!(set);
    await mustFail(opened, 'E_PAGE_SOURCE', /its certificate is refused: /);
    const other = specOf(port, identity, '4.2').replace('127.0.0.1', 'localhost');
    await mustFail(
      reliable(CriuSource.parse(other), HASTY).open!(set),
      'E_PAGE_SOURCE',
      /its certificate is refused: .*localhost/,
    );
    const anyName = CriuSource.parse(`${other}&tls-no-cn-verify`);
    await anyName.open(set);
    await anyName.close();
  });
test(wary, () => orSkip(wary, isWary));

test.run();
