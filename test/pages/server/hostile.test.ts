// Clients that nobody would want: whatever they send, they are turned away with a line, the server goes on,
// and nothing is left of them.
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CriuSource } from '../../../src/pages/criu.js';
import { COMMAND, encodeIov, LAYOUTS, ownerToDst, type Iov } from '../../../src/pages/iov.js';
import { flatPieces } from '../../../src/pages/ranges.js';
import { servePages, takePages, type Received } from '../../../src/pages/server/server.js';
import type { PageSource } from '../../../src/pages/source.js';
import { withTemp } from '../../support/temp.js';
import { until } from '../../support/until.js';
import { mustFail, PAGE, RUNS, set, store } from '../store.js';

const source: PageSource = {
  name: 'store',
  async read(run) {
    const parts = flatPieces('store', set, run);
    return Buffer.concat(
      parts.map(({ at, count }) => store.subarray(at * PAGE, (at + count) * PAGE)),
    );
  },
};

const dst = ownerToDst({ pid: 100 });
const zero: Iov = { command: 0, flags: 0, count: 0n, vaddr: 0n, dst: 0n };
const open = encodeIov('4.2', { ...zero, command: COMMAND.OPEN2, dst });
const close = encodeIov('4.2', { ...zero, command: COMMAND.CLOSE });
const add = (page: number, count: number, flags = 4): Buffer =>
  encodeIov('4.2', {
    ...{ command: COMMAND.ADD_F, flags, dst },
    ...{ count: BigInt(count), vaddr: BigInt(page) * BigInt(PAGE) },
  });
const get = (iov: Partial<Iov>): Buffer =>
  encodeIov('4.2', {
    ...zero,
    command: COMMAND.GET,
    count: 1n,
    vaddr: 0x400000n,
    dst: 100n,
    ...iov,
  });

/** Sends bytes and the end of them; resolves to what came back when the server has closed the connection. */
async function send(port: number, bytes: Uint8Array): Promise<Buffer> {
  const socket = connect({ port, host: '127.0.0.1' });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => {});
  socket.end(bytes);
  await once(socket, 'close');
  return Buffer.concat(chunks);
}

interface Giving {
  port: number;
  lines: string[];
}

async function withGiving(use: (server: Giving) => Promise<void>): Promise<void> {
  const lines: string[] = [];
  const server = await servePages(set, source, { onLog: (line) => lines.push(line) });
  try {
    await use({ port: server.port, lines });
  } finally {
    await server.close();
  }
}

/** It still serves whoever asks as one should. */
async function mustGive(port: number): Promise<void> {
  for (const layout of LAYOUTS) {
    const client = CriuSource.parse(`127.0.0.1:${port}?layout=${layout}`);
    await client.open(set);
    const { run, at } = RUNS[0]!;
    assert.ok(store.subarray(at * PAGE, (at + run.count) * PAGE).equals(await client.read(run)));
    await client.close();
  }
}

const wrong: Record<string, { bytes: Buffer; line: RegExp }> = {
  'a page that the set lacks': {
    bytes: get({ vaddr: 0x1000n }),
    line: /no pages 0x1000-0x2000 of process 100: .* does not list them$/,
  },
  'a process that the set lacks': { bytes: get({ dst: 7n }), line: /of process 7: / },
  'no pages': { bytes: get({ count: 0n }), line: /no address space has 0 pages/ },
  'more pages than there are': { bytes: get({ count: 2n ** 63n }), line: /no address space has/ },
  'half a page': {
    bytes: get({ vaddr: 0x400800n }),
    line: /0x400800 is not the address of a page$/,
  },
  'no pid': { bytes: get({ dst: 2n ** 40n }), line: /1099511627776 is no pid$/ },
  'pages, to a server that gives': { bytes: add(1, 1), line: /command 6 is none of a server that/ },
  'an unknown command': {
    bytes: Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n____'),
    line: /command/,
  },
  'half a struct': { bytes: get({}).subarray(0, 13), line: /ended after \d+ of \d+ bytes$/ },
};

for (const [name, { bytes, line }] of Object.entries(wrong)) {
  test(`asked for ${name}: one line, and on`, () =>
    withGiving(async ({ port, lines }) => {
      await send(port, bytes);
      await until('a line', () => lines.length > 0);
      assert.is(lines.length, 1);
      assert.match(lines[0]!, /^refused 127\.0\.0\.1:\d+: [^\n]+$/);
      assert.match(lines[0]!, line);
      await mustGive(port);
    }));
}

test('nobody gets more at a time than a few MiB, whatever he asks for', () =>
  withGiving(async ({ port }) => {
    const asked = get({ vaddr: 0x7f0000000n * 4096n, count: 1500n });
    const reply = await send(port, asked);
    assert.is(reply.length, 32 + 1024 * PAGE);
    assert.is(reply.readBigUInt64LE(8), 1024n);
    assert.ok(store.subarray(5 * PAGE, 1029 * PAGE).equals(reply.subarray(32)));
  }));

test('random structs and bytes, cut off anywhere, harm nobody', () =>
  withGiving(async ({ port, lines }) => {
    let x = 12345;
    const next = (limit: number): number => (x = (x * 1103515245 + 12345) % 2 ** 31) % limit;
    const commands = [...Object.values(COMMAND), 0, 8, 99];
    for (let i = 0; i < 300; i++) {
      const parts = Array.from({ length: next(4) }, () =>
        encodeIov(LAYOUTS[next(2)]!, {
          command: commands[next(commands.length)]!,
          flags: next(8),
          count: BigInt(next(2 ** 31)),
          vaddr: BigInt(next(2 ** 31)) << BigInt(next(33)),
          dst: BigInt(next(2 ** 16)),
        }),
      );
      const noise = Buffer.from(Array.from({ length: next(40) }, () => next(256)));
      const bytes = Buffer.concat(next(2) ? [...parts, noise] : [noise, ...parts]);
      await send(port, bytes.subarray(0, next(bytes.length + 1)));
    }
    assert.ok(lines.every((line) => !line.includes('\n')));
    await mustGive(port);
  }));

test('of many sessions, those too many are closed at once', () =>
  withGiving(async ({ port, lines }) => {
    const sockets: Socket[] = [];
    for (let i = 0; i < 20; i++) {
      const socket = connect({ port, host: '127.0.0.1' });
      socket.on('error', () => {});
      await once(socket, 'connect');
      sockets.push(socket);
    }
    const full = /^refused 127\.0\.0\.1:\d+: there are 16 sessions already$/;
    await until('refusals', () => lines.filter((line) => full.test(line)).length === 4);
    for (const socket of sockets) socket.destroy();
    await until('room again', () =>
      mustGive(port).then(
        () => true,
        () => false,
      ),
    );
  }));

/** Runs `use` with a server that takes a dump into a folder. */
async function withTaking(
  use: (port: number, dir: string, done: Promise<Received>, lines: string[]) => Promise<void>,
): Promise<void> {
  await withTemp(async (dir) => {
    const lines: string[] = [];
    const server = await takePages(dir, { onLog: (line) => lines.push(line) });
    try {
      await use(server.port, dir, server.done, lines);
    } finally {
      await server.close();
    }
  });
}

const page = Buffer.alloc(PAGE, 'x');

test('a dump by hand, in both layouts', async () => {
  for (const layout of LAYOUTS) {
    await withTaking(async (port, dir, done) => {
      const struct = (iov: Partial<Iov>): Buffer => encodeIov(layout, { ...zero, dst, ...iov });
      const answers = await send(
        port,
        Buffer.concat([
          struct({ command: COMMAND.PARENT }),
          struct({ command: COMMAND.OPEN2 }),
          struct({ command: COMMAND.ADD, count: 1n, vaddr: 0x1000n }),
          page,
          struct({ command: COMMAND.ADD_F, flags: 6, count: 2n, vaddr: 0x3000n }),
          page,
          page,
          struct({ command: COMMAND.ADD_F, flags: 2, count: 9n, vaddr: 0x8000n }),
          struct({ command: COMMAND.OPEN, dst: ownerToDst({ shmem: 5n }) }),
          struct({ command: COMMAND.CLOSE, dst: 0n }),
        ]),
      );
      assert.is(answers.toString('hex'), '00000000' + '00' + '00000000');
      assert.equal(await done, { owners: 2, pages: 3 });
      assert.equal(readdirSync(dir).sort(), [
        'pagemap-100.img',
        'pagemap-shmem-5.img',
        'pages-65537.img',
        'pages-65538.img',
      ]);
      assert.ok(
        Buffer.concat([page, page, page]).equals(readFileSync(join(dir, 'pages-65537.img'))),
      );
    });
  }
});

test('holes are taken where the parent set has the pages, and only there', () =>
  withTaking(async (port, dir, done) => {
    const parent = join(dir, 'before');
    mkdirSync(parent);
    const before = await takePages(parent);
    await send(before.port, Buffer.concat([open, add(1, 2), page, page, add(3, 1), page, close]));
    await before.done;
    await before.close();
    symlinkSync('before', join(dir, 'parent'));
    const hole = (at: number, count: number): Buffer => add(at, count, 1);
    const answers = await send(port, Buffer.concat([open, hole(1, 3), add(4, 1), page, close]));
    assert.is(answers.toString('hex'), '01' + '00000000');
    assert.equal(await done, { owners: 1, pages: 1 });
  }));

const hostile: Record<string, { bytes: Buffer; message: RegExp }> = {
  'leaves too early': {
    bytes: Buffer.concat([open, add(1, 1), page]),
    message: /before it had sent/,
  },
  'is cut off in a page': {
    bytes: Buffer.concat([open, add(1, 1), page.subarray(1)]),
    message: /ended after 4095 of 4096 bytes/,
  },
  'sends pages out of order': {
    bytes: Buffer.concat([open, add(5, 1), page, add(4, 1), page]),
    message: /pages 0x4000-0x5000 of process 100 come behind later ones/,
  },
  'sends unknown flags': {
    bytes: Buffer.concat([open, add(1, 1, 12)]),
    message: /have the flags 12/,
  },
  'sends pages that are nowhere': {
    bytes: Buffer.concat([open, add(1, 1, 0)]),
    message: /have the flags 0/,
  },
  'leaves pages to a parent that is not there': {
    bytes: Buffer.concat([open, add(1, 1, 1)]),
    message: /pages 0x1000-0x2000 of process 100 are in no parent set/,
  },
  'announces a TiB, and leaves': {
    bytes: Buffer.concat([open, add(1, 2 ** 28), page]),
    message: /ended after 4096 of 1048576 bytes/,
  },
  'announces all of memory': {
    bytes: Buffer.concat([open, add(1, 2 ** 44)]),
    message: /are too many at a time/,
  },
  'begins an owner again': { bytes: Buffer.concat([open, open]), message: /pagemap-100\.img/ },
  'asks for pages': {
    bytes: Buffer.concat([open, get({})]),
    message: /command 7 is none of a server/,
  },
};

for (const [name, { bytes, message }] of Object.entries(hostile)) {
  test(`a dump that ${name} fails, and nothing stays`, () =>
    withTaking(async (port, dir, done) => {
      const failed = done.then(
        () => undefined,
        (error: Error) => error,
      );
      await send(port, bytes);
      assert.match((await failed)?.message ?? '', message);
      assert.equal(readdirSync(dir), []);
    }));
}

test('who sends nothing, or nonsense, does not keep the dump from coming', () =>
  withTaking(async (port, dir, done, lines) => {
    await send(port, Buffer.alloc(0));
    await send(port, Buffer.from('\x16\x03\x01 this is no page server, is it?'));
    await send(port, encodeIov('4.1', { ...zero, command: COMMAND.CLOSE }));
    await send(port, close);
    assert.is(lines.filter((line) => /^refused .*: command \d+ is none/.test(line)).length, 1);
    assert.is(lines.filter((line) => /left without a word$/.test(line)).length, 3);
    assert.equal(readdirSync(dir), []);
    await send(port, Buffer.concat([open, add(1, 1), page, close]));
    assert.equal(await done, { owners: 1, pages: 1 });
  }));

test('a server that is closed in the middle leaves nothing', () =>
  withTemp(async (dir) => {
    const server = await takePages(dir);
    const socket = connect({ port: server.port, host: '127.0.0.1' });
    socket.on('error', () => {});
    socket.write(Buffer.concat([open, add(1, 2), page]));
    await until('an image', () => readdirSync(dir).length === 2);
    await server.close();
    await mustFail(server.done, 'E_PROTOCOL', /what it had sent is removed$/);
    assert.equal(readdirSync(dir), []);
  }));

test('an address that is taken is an error', async () => {
  const server = await takePages('/');
  await mustFail(
    takePages('/', { port: server.port }),
    'E_ADDRESS',
    /^cannot listen on .*EADDRINUSE/,
  );
  await server.close();
  await sleep(10);
});

test.run();
