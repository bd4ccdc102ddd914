// Dumps by hand into a server that takes pages: those that are whole, and those that nobody should trust,
// of which nothing stays.
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { COMMAND, encodeIov, LAYOUTS, ownerToDst, type Iov } from '../../../src/pages/iov.js';
import { takePages, type Received } from '../../../src/pages/server/server.js';
import { withTemp } from '../../support/temp.js';
import { until } from '../../support/until.js';
import { mustFail, PAGE } from '../store.js';
import { add, close, dst, get, open, send, zero } from './wire.js';

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

test('a dump that stops in the middle is over, and nothing stays', () =>
  withTemp(async (dir) => {
    const server = await takePages(dir, { silenceMs: 300 });
    const socket = connect({ port: server.port, host: '127.0.0.1' });
    socket.on('error', () => {});
    socket.write(Buffer.concat([open, add(1, 2), page]));
    await mustFail(server.done, 'E_PROTOCOL', /: it stopped in the middle for 0.3 s; /);
    assert.equal(readdirSync(dir), []);
    await server.close();
  }));

test('an address that is taken is an error', async () => {
  const server = await takePages('/');
  await mustFail(
    takePages('/', { port: server.port }),
    'E_ADDRESS',
    /^cannot listen on .*EADDRINUSE/,
  );
  await server.close();
});

test.run();
