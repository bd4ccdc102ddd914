// Mappings, bounds and pages.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HugePages } from '../../src/develop/hugetlb.js';
import { developMm } from '../../src/develop/mm.js';
import type { Backing } from '../../src/develop/vma.js';
import { developVmas, VMA } from '../../src/develop/vma.js';
import type { Vma } from '../../src/helper/protocol.js';
import { refused } from './refused.js';
import { task, vma } from './sample.js';

const HUGE_DEV = 0x11;
const huge = new HugePages({ hugetlb: [[HUGE_DEV, 21]] });
const file: Backing = { id: 7, memfd: false };
const memfd: Backing = { id: 8, memfd: true };

function develop(changes: Partial<Vma>, backing?: Backing) {
  return developVmas(1, { vmas: [vma(changes)] }, huge, () => backing)[0]!;
}

test('an anonymous mapping', () => {
  assert.equal(develop({ perms: 'r-xp' }), {
    ...{ start: '0x500000', end: '0x521000', pgoff: '0x0', shmid: 0, prot: 5, flags: 0x22 },
    ...{ status: VMA.REGULAR | VMA.ANON_PRIVATE, fd: -1, madv: undefined, fdflags: undefined },
  });
});

test('what VmFlags say is given to mmap and madvise again', () => {
  const { flags, madv } = develop({ vmflags: 'rd wr gd lo nr rr sr dc mg hg nh dd wf sd' });
  assert.is(flags, 0x22 | 0x100 | 0x2000 | 0x4000);
  assert.is(
    madv,
    [1, 2, 10, 12, 14, 15, 16, 18].reduce((bits, bit) => bits | (1 << bit), 0),
  );
});

test('a droppable mapping is not also private', () => {
  assert.is(develop({ vmflags: 'rd wr dp' }).flags, 0x28);
});

test('mappings of files are opened as they have to be', () => {
  const shared = VMA.REGULAR | VMA.FILE_SHARED;
  const { shmid, flags, status, fdflags } = develop({ perms: 'rw-p' }, file);
  assert.equal([shmid, flags, status, fdflags], [7, 0x2, VMA.REGULAR | VMA.FILE_PRIVATE, 0]);
  const writable = develop({ perms: 'rw-s', vmflags: 'rd wr sh mr mw' }, file);
  assert.equal([writable.flags, writable.status, writable.fdflags], [0x1, shared, 2]);
  assert.is(develop({ perms: 'r--s', vmflags: 'rd sh mr' }, file).fdflags, 0);
  assert.is(develop({ perms: 'rw-s' }, memfd).status, shared | VMA.MEMFD);
});

test("the kernel's own mappings are told by their names", () => {
  const statusOf = (name: string) => develop({ name, vmflags: 'rd pf io de dd sl' }).status;
  assert.is(statusOf('[vdso]'), VMA.REGULAR | VMA.VDSO | VMA.ANON_PRIVATE);
  assert.is(statusOf('[vsyscall]'), VMA.VSYSCALL | VMA.ANON_PRIVATE);
  assert.is(develop({ name: '[heap]' }).status, VMA.REGULAR | VMA.HEAP | VMA.ANON_PRIVATE);
});

test('neighbouring vvar mappings become one', () => {
  const vmas = [
    vma({ name: '[vvar]', start: '0x1000', end: '0x5000' }),
    vma({ name: '[vvar_vclock]', start: '0x5000', end: '0x7000' }),
    vma({ name: '[vdso]', start: '0x7000', end: '0x9000' }),
  ];
  const entries = developVmas(1, { vmas }, huge, () => undefined);
  assert.equal(
    entries.map(({ start, end }) => [start, end]),
    [
      ['0x1000', '0x7000'],
      ['0x7000', '0x9000'],
    ],
  );
});

test('guard ranges come last, as mappings of nothing', () => {
  const space = { vmas: [vma({ vmflags: 'rd gu' })], guards: [['0x501000', '0x502000']] };
  const entries = developVmas(1, space as never, huge, () => undefined);
  assert.equal(entries[1], {
    ...{ start: '0x501000', end: '0x502000', pgoff: 0, shmid: 0, prot: 0, flags: 0 },
    ...{ status: VMA.GUARD, fd: -1 },
  });
});

test('huge pages are asked for in their size', () => {
  assert.is(develop({ vmflags: 'rd ht', dev: HUGE_DEV }).flags, 0x22 | 0x54040000);
  refused(() => develop({ vmflags: 'rd ht', dev: 5 }, file), /hugetlbfs that is not the kernel/);
});

test('what no restore can map again is refused with the line of maps', () => {
  const cases: [Partial<Vma>, RegExp][] = [
    [{ vmflags: 'rd ss' }, /pid 1: mapping 500000-521000 rw-p \(anonymous\): a shadow stack/],
    [{ vmflags: 'rd uw' }, /userfaultfd/],
    [{ vmflags: 'rd sl' }, /mseal/],
    [{ vmflags: 'rd gu' }, /guard ranges/],
    [{ vmflags: 'rd io', name: '/dev/mem' }, /rw-p \/dev\/mem: memory of a device/],
    [{ name: '[uprobes]' }, /uprobe/],
    [{ name: '/[aio] (deleted)', perms: 'rw-s' }, /io_setup/],
    [{ name: '/SYSV0 (deleted)', perms: 'rw-s', shmem_kind: 'sysv' }, /shmget/],
  ];
  for (const [changes, expected] of cases) refused(() => develop(changes), expected);
  develop({ vmflags: 'rd io', perms: 'rw-s' }, file);
});

test('the auxiliary vector ends before its end mark, and where images end', () => {
  const auxv = (words: number[]) =>
    Buffer.from(BigUint64Array.from(words.map(BigInt)).buffer).toString('base64');
  const develop = (words: number[]) =>
    developMm(task({ mm: { ...task().mm, auxv: auxv(words) } }), []).mm_saved_auxv;
  assert.equal(develop([33, 5, 6, 4096, 0, 0, 9, 9]), [33n, 5n, 6n, 4096n]);
  assert.is(develop(Array.from({ length: 60 }, (_, i) => i + 1))!.length, 44);
});

test.run();
