// Which pages of a process hold data of its own: /proc/PID/maps and /proc/PID/pagemap, read page by
// page, which is slow and has nothing in common with the scan that a dump is made by.
import { open } from 'node:fs/promises';
import { procText } from './proc.js';
import { PAGE } from './pages.js';

export interface Mapping {
  start: number;
  end: number;
  isPrivate: boolean;
  /** Without a file: a page that was never written to reads as zero. */
  isAnonymous: boolean;
  /** Of its first byte in the file or segment. */
  offset: number;
  inode: number;
  /** Its line. */
  text: string;
}

/** Special mappings whose pages belong to the kernel. */
const KERNELS = /\[(vvar|vvar_vclock|vsyscall)\]$/;

export function mappingsOf(pid: number): Mapping[] {
  const lines = procText(`/proc/${pid}/maps`).trimEnd().split('\n');
  return lines
    .filter((line) => !KERNELS.test(line))
    .map((text) => {
      const [range, mode, offset, , inode] = text.split(/\s+/);
      const [start, end] = range!.split('-').map((word) => parseInt(word, 16));
      const isPrivate = mode!.endsWith('p');
      const place = { offset: parseInt(offset!, 16), inode: Number(inode) };
      return { start: start!, end: end!, isPrivate, isAnonymous: !place.inode, ...place, text };
    });
}

/** Whether it is shared memory that no file system shows: anonymous, memfd, System V. */
export const isSegment = ({ isPrivate, text }: Mapping): boolean =>
  !isPrivate && / \/(dev\/zero|memfd:.*|SYSV.*) \(deleted\)$/.test(text);

// Bits of an entry: Documentation/admin-guide/mm/pagemap.rst of the kernel.
const PRESENT = 1n << 63n;
const SWAPPED = 1n << 62n;
const OF_FILE = 1n << 61n;
/** The swap type of what is no page at all: marks of userfaultfd and guards (SWP_PTE_MARKER). */
const MARKER = 31n;

/** Whether the page is of the process alone: neither a file's nor a marker. */
function isOwn(entry: bigint): boolean {
  if (entry & OF_FILE) return false;
  if (entry & PRESENT) return true;
  return (entry & SWAPPED) !== 0n && (entry & 31n) !== MARKER;
}

/** Addresses of a mapping's pages that are present or swapped out, and no file's. */
export async function* presentPages(pid: number, { start, end }: Mapping): AsyncGenerator<number> {
  const CHUNK = 1 << 16;
  const pagemap = await open(`/proc/${pid}/pagemap`);
  try {
    for (let at = start; at < end; at += CHUNK * PAGE) {
      const count = Math.min(CHUNK, (end - at) / PAGE);
      const entries = new BigUint64Array(count);
      const bytes = Buffer.from(entries.buffer);
      const { bytesRead } = await pagemap.read(bytes, 0, bytes.length, (at / PAGE) * 8);
      if (bytesRead !== bytes.length) throw new Error(`/proc/${pid}/pagemap ends early`);
      for (let i = 0; i < count; i++) if (isOwn(entries[i]!)) yield at + i * PAGE;
    }
  } finally {
    await pagemap.close();
  }
}
