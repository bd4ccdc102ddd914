// A tree with a network namespace of its own comes back into it, with pages from a source that only we
// can reach, in ours: criu enters the namespace, ckpt and its server of pages do not.
import { readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { withHttp } from '../pages/http-server.js';
import { withPageServer } from '../pages/server/command.js';
import { type Scene, storeOf } from '../serve/server.js';
import { dump } from '../support/dump.js';
import { keep } from '../support/keeper.js';
import { ckptMain, fixture, oracleProgram } from '../support/paths.js';
import { orSkip } from '../support/skip.js';
import { Target } from '../support/target.js';
import { withTemp } from '../support/temp.js';
import { until } from '../support/until.js';

/** Runs `use` with a file that holds a new network namespace, its loopback up. */
async function withNetwork(dir: string, use: (file: string) => Promise<void>): Promise<void> {
  const file = join(dir, 'network');
  writeFileSync(file, '');
  await execa('unshare', [`--net=${file}`, 'ip', 'link', 'set', 'lo', 'up']);
  try {
    await use(file);
  } finally {
    await execa('umount', [file]);
  }
}

interface Inside extends Scene {
  network: string;
}

/** Runs `use` with a fixture that listens on ports of a network namespace of its own. */
async function inside(use: (scene: Inside) => Promise<void>): Promise<void> {
  await withTemp((dir) =>
    withNetwork(dir, async (network) => {
      const name = 'tcplisteners';
      const command = (state: string): string[] => enter(network, [fixture(name), state]);
      const original = await Target.start({ name, command }, join(dir, 'state'));
      try {
        await use({ dir, network, original, beats: await original.ask() });
      } finally {
        await original.end();
      }
    }),
  );
}

const enter = (network: string, command: string[]): string[] => [
  'nsenter',
  `--net=${network}`,
  ...command,
];

/** Dumped from within, as the refusal to do so from without says. */
async function dumpInside({ dir, network, original }: Inside, name: string, ...args: string[]) {
  const images = join(dir, name);
  const { code, output } = await dump('ckpt', original.pid, images);
  assert.is(code, 1);
  assert.match(output, /net namespace.*nsenter/);
  const words = ['dump', '-t', `${original.pid}`, '-D', images, '-s', ...args];
  const [file, ...rest] = enter(network, [process.execPath, ckptMain, ...words]);
  await execa(file!, rest);
  return images;
}

/** In the place of the original, which is killed first. */
async function comesBack(scene: Inside, images: string, from: string): Promise<void> {
  const { network, original } = scene;
  await original.end();
  const criu = ['--criu', oracleProgram('4.2.1', 'criu'), '-d', '-o', 'restore.log', '-v4'];
  const words = ['restore', '-D', images, '--from', from, ...criu, '--join-ns', `net:${network}`];
  const keeper = await keep([process.execPath, ckptMain, ...words]);
  try {
    const code = await until('ckpt restore', () => keeper.ended.get(keeper.started), 60_000);
    assert.is(code, 0);
    const copy = original.restored(keeper, original.state);
    const there = readlinkSync(`/proc/${copy.pid}/ns/net`);
    assert.is(there, `net:[${statSync(network).ino}]`);
    assert.is.not(there, readlinkSync('/proc/self/ns/net'));
    assert.ok((await copy.ask()) >= scene.beats);
  } finally {
    await keeper.end();
  }
}

test('from a server of HTTP, all pages', () =>
  orSkip('a network of its own, http', () =>
    inside(async (scene) => {
      const images = await dumpInside(scene, 'images', '--skip-pages');
      const store = await storeOf(scene, images);
      await withHttp(store, (url) => comesBack(scene, images, url));
    }),
  ));

test('from a page server, what can come late', () =>
  orSkip('a network of its own, criu', () =>
    inside(async (scene) => {
      const images = await dumpInside(scene, 'images', '--skip-pages=lazy');
      const full = await dumpInside(scene, 'full');
      const server = ['-D', full, '--lazy-pages'];
      await withPageServer(server, (address) => comesBack(scene, images, `criu:${address}`));
    }),
  ));

test.run();
