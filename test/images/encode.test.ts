// What goes on the wire: every message as protobufjs' own encoder writes it, and nothing that does not fit.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import Long from 'long';
import protobuf from 'protobufjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import { decode } from '../../src/images/decode.js';
import { encode } from '../../src/images/encode.js';
import { checkout } from '../support/paths.js';
import { messageNames, plain, sample } from './sample.js';

const ROUNDS = 6;

/** The messages as protobufjs reads them from proto/ itself. */
function parseProtos(): protobuf.Root {
  const root = new protobuf.Root();
  const google = join(checkout, 'node_modules/protobufjs');
  const own = join(checkout, 'proto');
  root.resolvePath = (_, name) => join(name.startsWith('google/') ? google : own, name);
  root.loadSync(readdirSync(own), { keepCase: true }).resolveAll();
  return root;
}

/** 64-bit values as protobufjs takes them. */
function withLongs(value: unknown): unknown {
  if (typeof value === 'bigint') return Long.fromString(String(value), value >= 0n);
  if (Array.isArray(value)) return value.map(withLongs);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withLongs(item)]));
}

/** The code and message of what `action` throws. */
function failure(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof CkptError) return `${error.code} ${error.message}`;
    throw error;
  }
  throw new Error('nothing was thrown');
}

test('every message, with all fields, is written as protobufjs writes it', () => {
  const root = parseProtos();
  for (const name of messageNames) {
    for (let round = 0; round < ROUNDS; round++) {
      const value = sample(name, round);
      const expected = root
        .lookupType(name)
        .encode(withLongs(value) as object)
        .finish();
      assert.is(
        encode(name, value as never).toString('hex'),
        Buffer.from(expected).toString('hex'),
        name,
      );
    }
  }
});

test('every message, with all fields, comes back as it was', () => {
  for (const name of messageNames) {
    for (let round = 0; round < ROUNDS; round++) {
      const value = sample(name, round);
      assert.equal(plain(decode(name, encode(name, value as never))), plain(value), name);
    }
  }
});

test('a required zero is on the wire', () => {
  const root = { pid: 7, ppid: 0, pgid: 0, sid: 0, threads: [7] };
  assert.is(encode('pstree_entry', root).toString('hex'), '08071000180020002807');
});

test('2^64-1 survives in every shape, and no other shape passes for a value', () => {
  const bytes = 'ffffffffffffffffff01';
  const shapes = [
    2n ** 64n - 1n,
    '0xffffffffffffffff',
    '0xFFFFFFFFFFFFFFFF',
    Long.MAX_UNSIGNED_VALUE,
  ];
  for (const max of shapes) {
    assert.is(encode('rlimit_entry', { cur: max, max }).toString('hex'), `08${bytes}10${bytes}`);
  }
  const wrong = [
    2n ** 64n,
    -1n,
    -1,
    Long.NEG_ONE,
    2 ** 53,
    1.5,
    NaN,
    '12',
    '0x',
    '0x1ffffffffffffffff',
    '',
    true,
    {},
  ];
  for (const cur of wrong) {
    const message = failure(() => encode('rlimit_entry', { cur: cur as number, max: 0 }));
    assert.match(message, /^E_IMAGE_FIELD rlimit_entry\.cur: /);
  }
});

test('signed 64-bit values', () => {
  const lock = { flag: 1, type: 1, pid: -1, fd: 3 };
  for (const value of [-1, -1n, Long.NEG_ONE]) {
    const back = decode(
      'file_lock_entry',
      encode('file_lock_entry', { ...lock, start: 0, len: value }),
    );
    assert.is(String(back.len), '-1');
  }
  assert.throws(() => encode('file_lock_entry', { ...lock, start: 2n ** 63n, len: 0 }));
});

test('an error names message and field', () => {
  const regs = { futex_rla: 0, futex_rla_len: 0 };
  const cases: [() => unknown, string][] = [
    [() => encode('pstree_entry', { pid: 1 } as never), 'pstree_entry.ppid: required, but missing'],
    [
      () => encode('core_entry', { mtype: 1, thread_core: { ...regs, creds: {} as never } }),
      'core_entry.thread_core.creds.uid: required, but missing',
    ],
    [
      () => encode('core_entry', { mtype: 1, thread_core: { ...regs, sched_prio: -1 } }),
      'core_entry.thread_core.sched_prio: -1 does not fit',
    ],
    [
      () => encode('rlimit_entry', { cur: 0, max: 0, min: 0 } as never),
      'rlimit_entry.min: there is no such field',
    ],
    [() => encode('core_entry', { mtype: 99 as never }), 'core_entry.mtype: 99 does not fit'],
    [
      () => encode('utsns_entry', { nodename: 'a\0b', domainname: '' }),
      "utsns_entry.nodename: 'a\\x00b' does not fit",
    ],
    [
      () => encode('siginfo_entry', { siginfo: 'AAAA' as never }),
      "siginfo_entry.siginfo: 'AAAA' does not fit",
    ],
    [
      () => encode('fs_entry', { cwd_id: 1, root_id: null as never }),
      'fs_entry.root_id: null does not fit',
    ],
  ];
  for (const [action, expected] of cases) assert.is(failure(action), `E_IMAGE_FIELD ${expected}`);
});

test('names that are not UTF-8 survive', () => {
  const bytes = Buffer.from([
    0x2f, 0xff, 0xc3, 0xa9, 0xc3, 0x28, 0xed, 0xa0, 0x80, 0xf0, 0x9f, 0x90, 0xa7, 0xf0, 0x9f,
  ]);
  const raw = Buffer.concat([Buffer.of(0x0a, bytes.length), bytes, Buffer.of(0x12, 0)]);
  const read = decode('utsns_entry', raw);
  assert.is(read.nodename, '/\udcffé\udcc3(\udced\udca0\udc80🐧\udcf0\udc9f');
  assert.is(encode('utsns_entry', read).toString('hex'), raw.toString('hex'));
  assert.throws(
    () => encode('utsns_entry', { nodename: '\ud800', domainname: '' }),
    /lone surrogate/,
  );
});

test.run();
