/**
 * Mappings: what each is, and how a restore has to make it again.
 *
 * Flags, hints and refusals come from VmFlags of /proc/PID/smaps (Linux Documentation/filesystems/
 * proc.rst); what they become follows CRIU's proc_parse.c.
 */

import type { AddressSpace } from './facts.js';
import { placeOfVma } from './facts.js';
import type { Entry } from './entry.js';
import type { HugePages } from './hugetlb.js';
import { refuseVma } from './vma-refused.js';
import type { Vma } from '../helper/protocol.js';

/** vma_entry.status, what kind of mapping it is. */
export const VMA = {
  REGULAR: 1 << 0,
  VSYSCALL: 1 << 2,
  VDSO: 1 << 3,
  HEAP: 1 << 5,
  FILE_PRIVATE: 1 << 6,
  FILE_SHARED: 1 << 7,
  ANON_PRIVATE: 1 << 9,
  VVAR: 1 << 12,
  AIORING: 1 << 13,
  MEMFD: 1 << 14,
  GUARD: 1 << 16,
} as const;

const PROT = { r: 1, w: 2, x: 4 } as const;

const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_DROPPABLE = 0x08;
const MAP_ANONYMOUS = 0x20;

const O_RDONLY = 0;
const O_RDWR = 2;

/** MAP_* of mmap(2) by VmFlag; droppable mappings are handled apart. */
const MAP_FLAGS: Record<string, number> = { gd: 0x100, lo: 0x2000, nr: 0x4000 };

/** MADV_* of madvise(2) by VmFlag. */
const ADVICE: Record<string, number> = {
  rr: 1, // RANDOM
  sr: 2, // SEQUENTIAL
  dc: 10, // DONTFORK
  mg: 12, // MERGEABLE
  hg: 14, // HUGEPAGE
  nh: 15, // NOHUGEPAGE
  dd: 16, // DONTDUMP
  wf: 18, // WIPEONFORK
};

/** Status of the kernel's own mappings, by their names in maps. */
const SPECIAL: Record<string, number> = {
  '[vsyscall]': VMA.VSYSCALL,
  '[vdso]': VMA.REGULAR | VMA.VDSO,
  '[vvar]': VMA.REGULAR | VMA.VVAR,
  '[vvar_vclock]': VMA.REGULAR | VMA.VVAR,
  '[heap]': VMA.REGULAR | VMA.HEAP,
};

/** The file behind a mapping, by its id in the image. */
export interface Backing {
  id: number;
  memfd: boolean;
}

/**
 * The mappings of the task `pid`, with guard ranges after them; `backing` finds the file behind
 * one, if any. Refuses mappings that no restore can make again.
 */
export function developVmas(
  pid: number,
  { vmas, guards }: AddressSpace,
  huge: HugePages,
  backing: (vma: Vma) => Backing | undefined,
): Entry<'vma_entry'>[] {
  const entries = vmas.map((vma) => {
    const place = { pid, object: placeOfVma(vma) };
    refuseVma(place, vma, guards !== undefined);
    const hugeFlags = hasFlag(vma, 'ht') ? huge.mapFlags(vma.dev, place) : 0;
    return developVma(vma, backing(vma), hugeFlags);
  });
  return [...mergeVvar(entries), ...(guards ?? []).map(developGuard)];
}

function developVma(vma: Vma, file: Backing | undefined, hugeFlags: number): Entry<'vma_entry'> {
  const words = vma.vmflags.split(' ');
  const madv = words.reduce(
    (bits, word) => (word in ADVICE ? bits | (1 << ADVICE[word]!) : bits),
    0,
  );
  return {
    start: vma.start,
    end: vma.end,
    pgoff: vma.pgoff,
    shmid: file?.id ?? 0,
    prot: protection(vma.perms),
    flags: (mapFlags(vma, words) | (file ? 0 : MAP_ANONYMOUS) | hugeFlags) >>> 0,
    status: (SPECIAL[vma.name] ?? VMA.REGULAR) | backingStatus(vma, file),
    fd: -1,
    madv: madv || undefined,
    fdflags: file ? openFlags(vma, words) : undefined,
  };
}

function protection(perms: string): number {
  return (['r', 'w', 'x'] as const).reduce(
    (bits, letter) => (perms.includes(letter) ? bits | PROT[letter] : bits),
    0,
  );
}

/** Has this VmFlag. */
export function hasFlag({ vmflags }: Vma, flag: string): boolean {
  return vmflags.split(' ').includes(flag);
}

function isShared({ perms }: Vma): boolean {
  return perms.endsWith('s');
}

/** A droppable mapping is private by nature, but mmap(2) takes either flag, not both. */
function mapFlags(vma: Vma, words: string[]): number {
  const type = words.includes('dp') ? MAP_DROPPABLE : isShared(vma) ? MAP_SHARED : MAP_PRIVATE;
  return words.reduce((bits, word) => bits | (MAP_FLAGS[word] ?? 0), type);
}

/** A shared mapping that may become writable (mprotect(2)) needs a file that is; a private one does not. */
function openFlags(vma: Vma, words: string[]): number {
  return isShared(vma) && words.includes('mw') ? O_RDWR : O_RDONLY;
}

function backingStatus(vma: Vma, file: Backing | undefined): number {
  if (!file) return VMA.ANON_PRIVATE;
  return (isShared(vma) ? VMA.FILE_SHARED : VMA.FILE_PRIVATE) | (file.memfd ? VMA.MEMFD : 0);
}

/** The kernel may split its variables for the vDSO into several mappings; a restore knows one. */
function mergeVvar(entries: Entry<'vma_entry'>[]): Entry<'vma_entry'>[] {
  return entries.reduce<Entry<'vma_entry'>[]>((merged, entry) => {
    const last = merged.at(-1);
    const joins = last && last.end === entry.start && last.status & entry.status & VMA.VVAR;
    if (joins) merged[merged.length - 1] = { ...last, end: entry.end };
    else merged.push(entry);
    return merged;
  }, []);
}

/** Guards are no mappings of the kernel's, only ranges within them. */
function developGuard([start, end]: [string, string]): Entry<'vma_entry'> {
  return { start, end, pgoff: 0, shmid: 0, prot: 0, flags: 0, status: VMA.GUARD, fd: -1 };
}
