/**
 * Facts of memory: mappings, shared segments, and which pages hold data.
 */

import type { FileId, Hex } from './scalar.js';

export interface Vma {
  start: Hex;
  end: Hex;
  /** As in maps: `rw-p`. */
  perms: string;
  /** Bytes. */
  pgoff: Hex;
  dev: number;
  ino: Hex;
  /** The last column of maps, unescaped, `""` for an anonymous mapping. */
  name: string;
  /** VmFlags of smaps: `rd wr mr mw me ac sd`. */
  vmflags: string;
  /** The mapped file (not for anonymous shared memory). */
  file?: FileId;
  /** Inode of the tmpfs file behind shared memory or a memfd. */
  shmem?: Hex;
  shmem_kind?: 'anon' | 'sysv' | 'memfd';
}

/** A part of an address space; `pid` is `share.vm`'s. */
export interface VmasFrame {
  t: 'vmas';
  pid: number;
  vmas: Vma[];
  /**
   * Ranges under MADV_GUARD_INSTALL, in the last frame of an address space; present, be it empty,
   * where a VmFlags has `gu`.
   */
  guards?: [start: Hex, end: Hex][];
}

export interface ShmemFrame {
  t: 'shmem';
  ino: Hex;
  size: Hex;
  pages_file?: string;
}

/** Bits of a pagemap run. */
export const RUN_COPIED = 1;
export const RUN_LAZY = 2;
/** As in the set that the request names by `track.since`; not copied. */
export const RUN_UNCHANGED = 4;

/** Pages that hold data; `pid` is `share.vm`'s, or `shmem` is the segment's inode. */
export interface PagemapFrame {
  t: 'pagemap';
  pid?: number;
  shmem?: Hex;
  pages_file?: string;
  /** Flat triples: first page number, number of pages, RUN_* bits. */
  runs: number[];
  last: boolean;
}
