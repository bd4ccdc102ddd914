// Clients that nobody would want, of a server that gives pages: whatever they send, they are turned away
// with a line, and the server goes on.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PE_LAZY } from '../../../src/images/pagemap.js';
import { CriuSource } from '../../../src/pages/criu.js';
import { COMMAND, encodeIov, LAYOUTS } from '../../../src/pages/iov.js';
import { flatPieces } from '../../../src/pages/ranges.js';
import { servePages } from '../../../src/pages/server/server.js';
import type { PageSource } from '../../../src/pages/source.js';
import { until } from '../../support/until.js';
import { PAGE, RUNS, set, store } from '../store.js';
import { add, get, send } from './wire.js';

const source: PageSource = {
  name: 'store',
  async read(run) {
    const parts = flatPieces('store', set, run);
    return Buffer.concat(
      parts.map(({ at, count }) => store.subarray(at * PAGE, (at + count) * PAGE)),
    );
  },
};

interface Giving {
  port: number;
  lines: string[];
}

async function withGiving(use: (server: Giving) => Promise<void>): Promise<void> {
  const lines: string[] = [];
  const server = await servePages(set, source, {
    onLog: (line) => lines.push(line),
    silenceMs: 300,
  });
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

test('pages that a set need not list since they are zeros are given as such', async () => {
  const unread = { page: 0x3fe, count: 9, flags: PE_LAZY, eager: false, at: 0 };
  const bare = { ...set, owners: [{ owner: { pid: 100 }, ranges: [unread] }], pages: 9 };
  const [listed] = set.owners;
  const blank = [
    { page: 0x3fe, count: 2 },
    { page: 0x404, count: 3 },
  ];
  const full = { ...set, owners: [{ ...listed!, blank }] };
  const server = await servePages(full, source);
  const client = CriuSource.parse(`127.0.0.1:${server.port}?layout=4.2`);
  try {
    await client.open(bare);
    const bytes = await client.read({ owner: { pid: 100 }, page: 0x3fe, count: 9 });
    const zeros = Buffer.alloc(2 * PAGE);
    const expected = Buffer.concat([zeros, store.subarray(0, 5 * PAGE), zeros]);
    assert.ok(expected.equals(bytes));
  } finally {
    await client.close();
    await server.close();
  }
});

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

test('who stops in the middle of a struct is turned away', () =>
  withGiving(async ({ port, lines }) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => {});
    socket.write(get({}).subarray(0, 9));
    await until('a line', () => lines.length > 0);
    assert.match(lines[0]!, /^refused 127.0.0.1:\d+: it stopped in the middle for 0.3 s$/);
    await mustGive(port);
  }));

test('who asks for much and takes none of it is turned away, who only waits is not', () =>
  withGiving(async ({ port, lines }) => {
    const patient = connect({ port, host: '127.0.0.1' });
    await once(patient, 'connect');
    const socket = connect({ port, host: '127.0.0.1' }).pause();
    socket.on('error', () => {});
    const asked = get({ vaddr: 0x7f0000000n * 4096n, count: 1024n });
    socket.write(Buffer.concat(Array.from({ length: 20 }, () => asked)));
    await until('a line', () => lines.length > 0);
    assert.match(lines[0]!, /: it stopped in the middle for 0.3 s$/);
    patient.write(get({}));
    assert.is((await once(patient, 'data'))[0].readUInt32LE(), 0x00040006);
    patient.destroy();
  }));

test.run();
