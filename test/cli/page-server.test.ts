// `ckpt page-server` as a command: what it takes, what it says, how it ends; as it is installed, too.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CriuSource } from '../../src/pages/criu.js';
import { COMMAND, encodeIov, ownerToDst } from '../../src/pages/iov.js';
import { readManifest } from '../../src/pages/read-manifest.js';
import { anonymous, MadeSet, PAGE } from '../pages/made-set.js';
import { certify } from '../pages/certificates.js';
import { withPageServer } from '../pages/server/command.js';
import { checkout, ckptInstalled } from '../support/paths.js';
import { Skip } from '../support/skip.js';
import { withTemp } from '../support/temp.js';
import { until } from '../support/until.js';
import { ckpt } from './ckpt.js';

const page = (letter: string): Buffer => Buffer.alloc(PAGE, letter);
const store = Buffer.concat(['a', 'b', 'c'].map(page));

/** A set of three late pages, which it does not have, and a flat store of them. */
function makeSet(dir: string): { images: string; flat: string } {
  const [images, flat] = [join(dir, 'images'), join(dir, 'store')];
  new MadeSet(images)
    .inventory()
    .mappings(5, [anonymous(16, 8)])
    .pagemap('pagemap-5.img', [[17, 3, 2]]);
  writeFileSync(flat, store);
  return { images, flat };
}

/** Asks a server for the three pages. */
async function mustGive(address: string, images: string): Promise<void> {
  const source = CriuSource.parse(`${address}?layout=4.2`);
  await source.open(await readManifest(images));
  const bytes = await source.read({ owner: { pid: 5 }, page: 17, count: 3 });
  await source.close();
  assert.ok(store.equals(bytes));
}

test('gives pages of any source until a signal ends it', () =>
  withTemp(async (dir) => {
    const { images, flat } = makeSet(dir);
    const program = `exec:python3 ${join(checkout, 'test/pages/pages-program.py')} ${flat}`;
    for (const from of [`file:${flat}`, program]) {
      const server = ['--lazy-pages', '-D', images, '--from', from];
      const { code, stdout, stderr } = await withPageServer(server, async (address) => {
        assert.match(address, /^127\.0\.0\.1:\d+$/);
        await mustGive(address, images);
        await mustGive(address, images);
      });
      assert.is(code, 0, stderr);
      assert.is(stdout, '');
      assert.match(stderr, /\nckpt: 127\.0\.0\.1:\d+ has left with 3 pages$/);
    }
  }));

async function overHttps(dir: string): Promise<void> {
  const { images } = makeSet(dir);
  const { cacert, cert, key } = await certify(dir, 'web');
  const identity = { cert: readFileSync(cert), key: readFileSync(key) };
  const web = createServer(identity, ({ headers }, response) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range!)!.map(Number);
    const range = { 'content-range': `bytes ${first}-${last}/${store.length}` };
    response.writeHead(206, range).end(store.subarray(first!, last! + 1));
  }).listen(0, '127.0.0.1');
  await once(web, 'listening');
  const url = `https://127.0.0.1:${(web.address() as AddressInfo).port}/store`;
  try {
    const args = ['--lazy-pages', '-D', images, '--from', url];
    const env = { NODE_EXTRA_CA_CERTS: cacert };
    await withPageServer(args, (address) => mustGive(address, images), { env });
    const strange = await ckpt(['page-server', ...args]);
    assert.is(strange.code, 1);
    assert.match(strange.stderr, /^ckpt: https:.*: gave up after \d tries: .*certificate/);
  } finally {
    web.closeAllConnections();
    web.close();
  }
}

test('gives pages of an https server whose authority is known, and only of such', () =>
  withTemp(async (dir) => {
    try {
      await overHttps(dir);
    } catch (error) {
      if (!(error instanceof Skip)) throw error;
      console.log(`SKIP https: ${error.message}`);
    }
  }));

/** Sends a dump of one page; what the server answers is not of interest here. */
async function send(address: string, isWhole = true): Promise<void> {
  const [host, port] = address.split(':');
  const iov = { command: 0, flags: 0, count: 1n, vaddr: 0x11000n, dst: ownerToDst({ pid: 5 }) };
  const socket = connect({ host, port: Number(port) }).resume();
  socket.write(encodeIov('4.2', { ...iov, command: COMMAND.ADD }));
  socket.write(page('x'));
  if (isWhole) socket.write(encodeIov('4.2', { ...iov, command: COMMAND.CLOSE }));
  socket.end();
  await once(socket, 'close');
}

test('takes one dump, and ends with a summary, or with JSON', () =>
  withTemp(async (dir) => {
    const [one, two] = [join(dir, 'one'), join(dir, 'two')];
    new MadeSet(one);
    new MadeSet(two);
    const plain = await withPageServer(['-D', one], send, { waits: true });
    assert.is(plain.code, 0);
    assert.match(plain.stderr, new RegExp(`\nReceived 1 page in 1 pagemap into ${one}$`));
    assert.equal(readdirSync(one).sort(), ['pagemap-5.img', 'pages-65537.img']);
    const json = await withPageServer(['-D', two, '--json'], send, { waits: true });
    const result = { ok: true, imagesDir: two, owners: 1, pages: 1 };
    assert.equal(JSON.parse(json.stdout), result);
  }));

test('a dump that breaks off: exit code 1, one line, nothing left', () =>
  withTemp(async (dir) => {
    const half = (address: string): Promise<void> => send(address, false);
    const { code, stderr } = await withPageServer(['-D', dir], half, { waits: true });
    assert.is(code, 1);
    const line =
      /\nckpt: the dump of 127\.0\.0\.1:\d+: it left before it had sent all; what it had sent is removed$/;
    assert.match(stderr, line);
    assert.equal(readdirSync(dir), []);
  }));

test('a signal ends one that waits for a dump, with code 1', () =>
  withTemp(async (dir) => {
    const { code, stderr } = await withPageServer(['-D', dir], async () => {});
    assert.is(code, 1);
    assert.match(stderr, /\nckpt: the page server was aborted by SIGTERM$/);
  }));

test('--status-fd tells when clients may connect; the installed command does the same', () =>
  withTemp(async (dir) => {
    const { images, flat } = makeSet(dir);
    const status = openSync(join(dir, 'status'), 'w');
    const args = ['--lazy-pages', '-D', images, '--from', `file:${flat}`, '--status-fd', '3'];
    const child = spawn(process.execPath, [ckptInstalled, 'page-server', ...args], {
      stdio: ['ignore', 'inherit', 'pipe', status],
    });
    closeSync(status);
    const ended = once(child, 'exit');
    let output = '';
    child.stderr!.on('data', (chunk) => (output += String(chunk)));
    const address = await until('an address', () => /listening on (\S+)\n/.exec(output)?.[1]);
    await mustGive(address, images);
    child.kill('SIGINT');
    assert.equal(await ended, [0, null], output);
    assert.equal([...readFileSync(join(dir, 'status'))], [0]);
  }));

test('a wrong command line is one line, with exit code 2', async () => {
  const cases: [string[], RegExp][] = [
    [[], /-D DIR is missing/],
    [['-D', '/', '--from', 'file:/x'], /--from goes with --lazy-pages/],
    [['-D', '/', '--layout', '5'], /--layout: '5' is none of 4\.1, 4\.2/],
    [['-D', '/', '--port', '70000'], /--port: 70000 is no port/],
    [['-D', '/', '--tls-key', 'k'], /--tls-cacert, --tls-cert and --tls-key go with --tls/],
    [['-D', '/', '-t', '1'], /ckpt page-server has no option --tree/],
    [['-D', '/', '--daemon'], /--daemon: /],
  ];
  for (const [args, message] of cases) {
    const { code, stderr } = await ckpt(['page-server', ...args]);
    assert.is(code, 2, args.join(' '));
    assert.match(stderr, message);
    assert.not.match(stderr, '\n');
  }
  const dumps = await ckpt(['dump', '-t', '1', '-D', '/', '--page-server', '--port', '1']);
  assert.match(dumps.stderr, /^ckpt: --page-server: `ckpt dump` itself neither sends pages/);
});

test('what is not there is one line, with exit code 1', () =>
  withTemp(async (dir) => {
    const none = join(dir, 'none');
    for (const [args, message] of [
      [['-D', none], `--images-dir: cannot write to ${none}`],
      [['--lazy-pages', '-D', none], `${none} is no checkpoint`],
      [['-D', dir, '--tls', '--tls-cacert', none], `cannot read ${none}`],
    ] as const) {
      const { code, stderr } = await ckpt(['page-server', ...args]);
      assert.is(code, 1);
      assert.match(stderr, message);
      assert.not.match(stderr, '\n');
    }
  }));

test.run();
