/** The mappings of an address space, as mm-PID.img has them: which of its pages a restore may take late. */

import { join } from 'node:path';
import { VMA } from '../develop/vma.js';
import { fileName } from '../images/names.js';
import type { mm_entry } from '../images/gen/mm.js';
import type { vma_entry } from '../images/gen/vma.js';
import { imageError, ImageReader } from '../images/read.js';
import { toBigInt } from '../images/u64.js';
import type { Stretch } from './manifest.js';

/** Flags of mmap(2). */
const MAP_PRIVATE = 0x02;
const MAP_ANONYMOUS = 0x20;
const MAP_LOCKED = 0x2000;
const MAP_HUGETLB = 0x40000;
/** What is the kernel's own, each process anew. */
const KERNELS = VMA.VDSO | VMA.VVAR | VMA.VSYSCALL;

export interface Mapping {
  /** Its first address divided by the size of a page, and how many pages long it is. */
  page: number;
  count: number;
  /** PROT_*, MAP_*, VMA_*. */
  prot: number;
  flags: number;
  status: number;
  /** The file behind it, by its id; of shared memory that is no memfd, the segment's id. */
  shmid: bigint;
  /** Where in that it begins, in pages. */
  offset: number;
  /** One bit for each MADV_*. */
  madv: number;
}

/**
 * The mappings of a process in ascending order; no two overlap.
 * Throws CkptError as ImageReader does, and E_IMAGE_CORRUPT for mappings that cannot be.
 */
export async function readMappings(dir: string, pid: number): Promise<Mapping[]> {
  const path = join(dir, fileName('MM', pid));
  const mappings: Mapping[] = [];
  // Guard ranges lie within mappings, and come after all of them.
  for (const vma of (await readMm(path)).vmas) {
    if (vma.status & VMA.GUARD) continue;
    const mapping = mappingOf(vma);
    const last = mappings.at(-1);
    if (!mapping || (last && mapping.page < last.page + last.count)) {
      const reason = `mapping ${toBigInt(vma.start).toString(16)} is none, or out of order`;
      throw imageError('E_IMAGE_CORRUPT', path, reason);
    }
    mappings.push(mapping);
  }
  return mappings;
}

/** Finds the mappings of pages that ascend. */
export class MappingCursor {
  #at = 0;

  constructor(private readonly mappings: readonly Mapping[]) {}

  /** The mapping that a page is in, if it is in one; pages asked for never go back. */
  at(page: number): Mapping | undefined {
    const { mappings } = this;
    while (
      this.#at < mappings.length &&
      mappings[this.#at]!.page + mappings[this.#at]!.count <= page
    )
      this.#at++;
    const mapping = mappings[this.#at];
    return mapping && mapping.page <= page ? mapping : undefined;
  }
}

/** FACTS, "Lazy VMAs": whether a userfaultfd may bring the pages of a mapping after the restore. */
export function canBeLate({ flags, status }: Mapping): boolean {
  const isAnonymous = (flags & MAP_ANONYMOUS) !== 0 && (flags & MAP_PRIVATE) !== 0;
  return isAnonymous && !(flags & (MAP_LOCKED | MAP_HUGETLB)) && !(status & KERNELS);
}

/** There a set need not list pages that are all zeros: a restore brings such by itself. */
export function blankOf(mappings: readonly Mapping[]): Stretch[] {
  return mappings.filter(canBeLate).map(({ page, count }) => ({ page, count }));
}

async function readMm(path: string): Promise<mm_entry> {
  const reader = await ImageReader.open(path, 'MM');
  try {
    for await (const { value } of reader) return value;
    throw imageError('E_IMAGE_TORN', path, 'it is empty');
  } finally {
    await reader.close();
  }
}

function mappingOf({ start, end, pgoff, shmid, prot, flags, status, madv }: vma_entry) {
  const [page, last] = [pageOf(start), pageOf(end)];
  if (page === undefined || last === undefined || last <= page) return undefined;
  return {
    ...{ page, count: last - page, prot, flags, status },
    shmid: toBigInt(shmid),
    offset: Number(toBigInt(pgoff) >> 12n),
    madv: madv?.low ?? 0,
  };
}

function pageOf({ low, high }: vma_entry['start']): number | undefined {
  return low & 0xfff ? undefined : (high >>> 0) * 2 ** 20 + (low >>> 12);
}
