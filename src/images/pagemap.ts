/** Writes pagemap images: which pages there are, by runs, and what became of them. */

import type { ImageWriter } from './write.js';
import { type U64, toBigInt } from './u64.js';

/** Whose pages: an address space by its pid, or a segment of shared memory by its id. */
export type Owner = { pid: number } | { shmem: bigint };

/** Flags of a run. */
export const PE_PARENT = 1; // the pages are in the parent set
export const PE_LAZY = 2; // a restore may supply them late
export const PE_PRESENT = 4; // the pages are in pages-<pages_id>.img

/** Bytes of a page, on every architecture whose images we write. */
export const PAGE_SIZE = 4096;
/** The longest run written, 1 GiB: CRIU's lazy-pages daemon keeps lengths in bytes in an int. */
const MAX_RUN = 2 ** 18;

/** Runs that go into one pagemap, counted as they are written. */
export class PagemapWriter {
  /** Runs given, in pages; by the whole and by those whose data is in the pages image. */
  pages = 0;
  present = 0;

  /** `pagesId` names the pages image, 0 where there is none. */
  constructor(
    readonly image: ImageWriter<'PAGEMAP'> | ImageWriter<'SHMEM_PAGEMAP'>,
    pagesId: number,
  ) {
    image.add({ pages_id: pagesId });
  }

  /** Appends `count` pages from the address (or offset in a segment) `vaddr`, in bytes. */
  add(vaddr: U64, count: number, flags: number): void {
    this.pages += count;
    if (flags & PE_PRESENT) this.present += count;
    if (count <= MAX_RUN) return this.#put(vaddr, count, flags);
    const start = toBigInt(vaddr);
    for (let done = 0; done < count; done += MAX_RUN) {
      this.#put(start + BigInt(done) * BigInt(PAGE_SIZE), Math.min(MAX_RUN, count - done), flags);
    }
  }

  /**
   * The count goes into two fields: readers before 4.2 know only the first, later ones prefer the
   * second. So does what is left to a parent: many a tool knows only the older one.
   */
  #put(vaddr: U64, count: number, flags: number): void {
    const older = flags === PE_PARENT ? { in_parent: true } : {};
    this.image.addMore({ vaddr, compat_nr_pages: count, ...older, flags, nr_pages: count });
  }
}
