// Registers as the restored thread finds them: restarted system calls, sequences, vector state.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { developRegisters } from '../../src/develop/regs.js';
import { developRseq, leaveSection } from '../../src/develop/rseq.js';
import { developXsave } from '../../src/develop/xsave.js';
import { refused } from './refused.js';
import { registers, thread, xsave } from './sample.js';

const hex = (value: bigint): string => `0x${BigInt.asUintN(64, value).toString(16)}`;

/** A thread that came from read(2), number 0, which returned `result`. */
function afterRead(result: bigint): { ax: unknown; ip: unknown; orig_ax: unknown } {
  const { ax, ip, orig_ax } = developRegisters(
    registers({ orig_ax: '0x0', ax: hex(result), ip: '0x401002' }),
  );
  return { ax, ip, orig_ax };
}

test('an interrupted system call is made again', () => {
  for (const restart of [-512n, -513n, -514n]) {
    assert.equal(afterRead(restart), { ax: 0n, ip: 0x401000n, orig_ax: 0n });
  }
});

test('a system call that only the kernel could go on with ends with EINTR', () => {
  assert.equal(afterRead(-516n), { ax: 2n ** 64n - 4n, ip: 0x401002n, orig_ax: 0n });
});

test('results and errors of system calls stay', () => {
  for (const result of [5n, -4n, -515n]) {
    assert.equal(afterRead(result), { ax: BigInt.asUintN(64, result), ip: 0x401002n, orig_ax: 0n });
  }
});

test('a thread that came from no system call keeps what looks like a restart', () => {
  const { ax, ip, mode } = developRegisters(registers({ ax: hex(-512n) }));
  assert.equal([ax, ip, mode], [2n ** 64n - 512n, 0x401000n, 1]);
});

const section = { start: '0x1000', post_commit_offset: '0x20', abort: '0x9000', flags: 0 };
const rseq = { ptr: '0x7000', size: 32, signature: 0x53053053, flags: 0, cs: '0x8000' };

test('a thread within a restartable sequence goes on at its abort handler', () => {
  const inside = thread({ rseq, rseq_cs: section });
  assert.equal(
    [0xfffn, 0x1000n, 0x101fn, 0x1020n].map((ip) => leaveSection(inside, ip)),
    [0xfffn, 0x9000n, 0x9000n, 0x1020n],
  );
  assert.is(leaveSection(thread({ rseq }), 0x1000n), 0x1000n);
  assert.equal(developRseq(inside), {
    rseq_abi_pointer: '0x7000',
    rseq_abi_size: 32,
    signature: 0x53053053,
    rseq_cs_pointer: undefined,
  });
});

test('a sequence that is not to be restarted on signals is resumed', () => {
  const inside = thread({ rseq, rseq_cs: { ...section, flags: 2 } });
  assert.is(leaveSection(inside, 0x1000n), 0x1000n);
  assert.is(developRseq(inside)?.rseq_cs_pointer, '0x8000');
});

test('a thread without registration has no entry', () => {
  assert.is(developRseq(thread()), undefined);
  assert.is(developRseq(thread({ rseq: { ...rseq, ptr: '0x0' } })), undefined);
});

const place = { pid: 1, object: 'thread 1' };

test('the parts of an XSAVE area are found by the layout', () => {
  const area = Buffer.alloc(xsave.size);
  area.writeUInt16LE(0x37f, 0);
  area.writeBigUInt64LE(0xfedc_ba98_7654_3210n, 8);
  area.writeUInt32LE(0x1f80, 24);
  area.writeUInt32LE(0xabcd, 32);
  area.writeUInt32LE(7, 160 + 4 * 63);
  area.writeBigUInt64LE(0x207n, 512);
  area.writeUInt32LE(0xffffffff, 576 + 4 * 63);
  area.writeUInt32LE(0x55555554, 832);
  const { xsave: extended, ...legacy } = developXsave(area, xsave, place);
  assert.equal([legacy.cwd, legacy.rip, legacy.mxcsr], [0x37f, 0xfedc_ba98_7654_3210n, 0x1f80]);
  assert.equal([legacy.st_space!.length, legacy.xmm_space!.length], [32, 64]);
  assert.equal([legacy.st_space![0], legacy.xmm_space![63]], [0xabcd, 7]);
  assert.is(extended!.xstate_bv, 0x207n);
  assert.equal([extended!.ymmh_space!.length, extended!.ymmh_space![63]], [64, 0xffffffff]);
  assert.equal(extended!.pkru, [0x55555554, 0]);
  assert.equal([extended!.opmask_reg, extended!.hi16_zmm, extended!.bndreg_state], [[], [], []]);
});

test('registers that images have no room for are refused while in use', () => {
  const area = Buffer.alloc(xsave.size);
  area.writeBigUInt64LE(0x60001n, 512); // AMX
  refused(() => developXsave(area, xsave, place), /pid 1: thread 1: registers .* 0x60000/);
});

test.run();
