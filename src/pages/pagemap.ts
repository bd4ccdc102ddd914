/** Reads a pagemap of a set that anybody may have written: its runs, checked. */

import { join } from 'node:path';
import type { pagemap_entry } from '../images/gen/pagemap.js';
import { type Owner, PE_LAZY, PE_PARENT, PE_PRESENT } from '../images/pagemap.js';
import { imageError, ImageReader } from '../images/read.js';
import { pagemapName } from './owner.js';

/** Pages in a row as one entry has them. */
export interface PagemapRun {
  /** Address, or offset in the segment, divided by the size of a page. */
  page: number;
  count: number;
  /** PE_*. */
  flags: number;
}

/** The most pages that a set may list, 4 PiB: all sums stay exact, and no machine has more. */
export const MAX_PAGES = 2 ** 40;
/** Where the last page can end: 2^64 bytes. */
const END = 2 ** 52;

/**
 * Gives every run of the owner's pagemap to `take`, in order: ascending, none empty. Resolves to the
 * number of the pages image, 0 where there is none.
 * Throws CkptError as ImageReader does, and E_IMAGE_CORRUPT for runs that cannot be.
 */
export async function readPagemap(
  dir: string,
  owner: Owner,
  take: (run: PagemapRun) => void,
): Promise<number> {
  const path = join(dir, pagemapName(owner));
  const reader = await ImageReader.open(path, 'PAGEMAP');
  let pagesId: number | undefined;
  let end = 0;
  try {
    for await (const { message, value, offset } of reader) {
      if (message === 'pagemap_head') {
        pagesId = value.pages_id;
        continue;
      }
      const run = runOf(value);
      const fault = faultOf(run, value, end);
      if (fault) throw imageError('E_IMAGE_CORRUPT', path, fault, offset);
      end = run.page + run.count;
      take(run);
    }
  } finally {
    await reader.close();
  }
  if (pagesId === undefined) throw imageError('E_IMAGE_TORN', path, 'it has no head');
  return pagesId;
}

function runOf(entry: pagemap_entry): PagemapRun {
  const { low, high } = entry.vaddr;
  return {
    page: (high >>> 0) * 2 ** 20 + (low >>> 12),
    count: countOf(entry),
    flags: flagsOf(entry),
  };
}

/** Readers before 4.2 knew only the older field, writers since then leave it at 0. */
function countOf({ nr_pages, compat_nr_pages }: pagemap_entry): number {
  const count = nr_pages ? (nr_pages.high >>> 0) * 2 ** 32 + (nr_pages.low >>> 0) : 0;
  return count || compat_nr_pages;
}

/** Before there were flags, pages were in the set unless said to be in its parent. */
function flagsOf({ flags, in_parent }: pagemap_entry): number {
  return flags ?? (in_parent ? PE_PARENT : PE_PRESENT);
}

function faultOf(
  { page, count, flags }: PagemapRun,
  { vaddr }: pagemap_entry,
  end: number,
): string | undefined {
  if (vaddr.low & 0xfff) return 'it begins within a page';
  if (count === 0) return 'it has no pages';
  if (page < end) return 'it begins before the last one ends';
  if (count > MAX_PAGES || page + count > END) return `${count} pages are more than there can be`;
  if (!(flags & (PE_PRESENT | PE_LAZY | PE_PARENT))) return 'its pages are nowhere';
  return undefined;
}
