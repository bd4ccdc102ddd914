// The structs of the page server, in both layouts: known bytes, and random ones.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import {
  COMMAND,
  decodeIov,
  dstToOwner,
  encodeIov,
  IOV_SIZE,
  LAYOUTS,
  ownerToDst,
  pagesOf,
  pidOf,
  type Iov,
  type Layout,
} from '../../src/pages/iov.js';
import { guessLayout, questions } from '../../src/pages/layout.js';

/** xorshift32, so that a failure comes again. */
function* random(seed: number): Generator<number, never> {
  for (let x = seed; ;) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    yield x >>> 0;
  }
}

const get: Iov = {
  command: COMMAND.GET,
  flags: 0,
  count: 16n,
  vaddr: 0x7f48b8c00000n,
  dst: 13759n,
};

test('a GET is, byte for byte, what criu 4.2.1 was seen to take', () => {
  const seen = '0700000000000000' + '1000000000000000' + '0000c0b8487f0000' + 'bf35000000000000';
  assert.is(encodeIov('4.2', get).toString('hex'), seen);
  assert.is(
    encodeIov('4.1', get).toString('hex'),
    '0700000010000000' + '0000c0b8487f0000' + 'bf35000000000000',
  );
});

test('flags are the upper half of the command', () => {
  const reply = { ...get, command: COMMAND.ADD_F, flags: 4 };
  assert.is(encodeIov('4.2', reply).readUInt32LE(), 0x00040006);
  assert.is(encodeIov('4.1', { ...reply, flags: 0xffff }).readUInt32LE(), 0xffff0006);
});

test('what is encoded is decoded again, in both layouts', () => {
  const next = random(1);
  const word = (): bigint => (BigInt(next.next().value) << 32n) | BigInt(next.next().value);
  for (let i = 0; i < 2000; i++) {
    for (const layout of LAYOUTS) {
      const iov: Iov = {
        command: next.next().value & 0xffff,
        flags: next.next().value & 0xffff,
        count: layout === '4.1' ? BigInt(next.next().value) : word(),
        vaddr: word(),
        dst: word(),
      };
      const bytes = encodeIov(layout, iov);
      assert.is(bytes.length, IOV_SIZE[layout]);
      assert.equal(decodeIov(layout, bytes), iov);
    }
  }
});

/** Calls `action`; whatever it throws has to be a CkptError E_PROTOCOL of one line. */
function tolerant(action: () => unknown): boolean {
  try {
    action();
    return true;
  } catch (error) {
    assert.instance(error, CkptError);
    assert.is((error as CkptError).code, 'E_PROTOCOL');
    assert.not.match((error as CkptError).message, /\n/);
    return false;
  }
}

test('random bytes decode to something, and what it asks for is bounded or refused', () => {
  const next = random(2);
  for (let i = 0; i < 5000; i++) {
    const bytes = Buffer.alloc(32);
    for (let at = 0; at < 32; at += 4) {
      // Many zeros, small numbers and page addresses: what real structs are made of.
      const value = next.next().value;
      bytes.writeUInt32LE([0, value & 0xff, (value & 0xfffff000) >>> 0, value][value >>> 30]!, at);
    }
    assert.ok(LAYOUTS.includes(guessLayout(bytes)));
    for (const layout of LAYOUTS) {
      const iov = decodeIov(layout, bytes);
      if (tolerant(() => pagesOf(iov))) {
        const { page, count } = pagesOf(iov);
        assert.ok(count > 0 && Number.isSafeInteger(count) && page + count <= 2 ** 45);
      }
      tolerant(() => pidOf(iov.dst));
      if (tolerant(() => dstToOwner(iov.dst))) {
        assert.is(ownerToDst(dstToOwner(iov.dst)), iov.dst);
      }
    }
  }
});

test('a struct that is cut off is no struct', () => {
  for (const layout of LAYOUTS) {
    const bytes = encodeIov(layout, get);
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => decodeIov(layout, bytes.subarray(0, length)));
    }
  }
});

test('counts, addresses and owners that cannot be are refused', () => {
  for (const wrong of [
    { count: 0n },
    { vaddr: 0x1001n },
    { count: 2n ** 45n },
    { count: 2n ** 64n - 1n },
    { vaddr: 2n ** 64n - 4096n },
  ]) {
    assert.not.ok(
      tolerant(() => pagesOf({ ...get, ...wrong })),
      Object.keys(wrong).join(),
    );
  }
  for (const dst of [0n, 0x100n, 0x103n, 1n, ((2n ** 22n) << 8n) | 1n]) {
    assert.not.ok(tolerant(() => dstToOwner(dst)));
  }
  assert.not.ok(tolerant(() => pidOf(0n)));
  assert.equal(dstToOwner((13759n << 8n) | 1n), { pid: 13759 });
  assert.equal(dstToOwner(((2n ** 40n) << 8n) | 2n), { shmem: 2n ** 40n });
});

test('the first struct of every kind tells its layout', () => {
  const dst = ownerToDst({ pid: 4096 });
  const firsts: Iov[] = [
    { command: COMMAND.OPEN2, flags: 0, count: 0n, vaddr: 0n, dst },
    { command: COMMAND.PARENT, flags: 0, count: 0n, vaddr: 0n, dst },
    { command: COMMAND.ADD_F, flags: 4, count: 4096n, vaddr: 0x400000n, dst },
    get,
    { ...get, count: 4096n, vaddr: 0x10000n, dst: 1n },
    { ...get, count: 1n, vaddr: 0x10000n, dst: 4096n },
    { ...get, count: 512n, vaddr: 0x400000n, dst: 2n ** 22n - 1n },
  ];
  for (const iov of firsts) {
    for (const layout of LAYOUTS) {
      assert.is(guessLayout(encodeIov(layout, iov).subarray(0, 24)), layout, `${iov.command}`);
    }
  }
});

/** What a server of a layout makes of bytes: its commands, and how many bytes are left over. */
function commands(layout: Layout, bytes: Buffer): { seen: number[]; left: number } {
  const size = IOV_SIZE[layout];
  const seen: number[] = [];
  for (let at = 0; at + size <= bytes.length; at += size) {
    seen.push(decodeIov(layout, bytes.subarray(at)).command);
  }
  return { seen, left: bytes.length % size };
}

test('the question is one PARENT for either layout, and no known command for one mistaken', () => {
  const { first, rest, last } = questions();
  assert.equal(commands('4.1', first), { seen: [COMMAND.PARENT], left: 0 });
  assert.equal(commands('4.2', first), { seen: [], left: 24 });
  const all = Buffer.concat([first, rest, last]);
  assert.equal(commands('4.2', all), { seen: [COMMAND.PARENT, COMMAND.PARENT], left: 0 });
  const mistaken = commands('4.1', all).seen[1]!;
  assert.not.ok(Object.values(COMMAND).includes(mistaken as never), `${mistaken}`);
});

test.run();
