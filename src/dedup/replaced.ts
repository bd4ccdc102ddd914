/** What of the pages images of a set's parents the set replaces. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileName } from '../images/names.js';
import { type Owner, PAGE_SIZE, PE_PRESENT } from '../images/pagemap.js';
import type { Span } from '../pages/coverage.js';
import { checkPages } from '../pages/generations.js';
import { pagemapName } from '../pages/owner.js';
import { readPagemap } from '../pages/pagemap.js';

/** Parts of one pages image. */
export interface Replaced {
  path: string;
  /** Flat pairs, ascending: offset and length in bytes. */
  ranges: number[];
  pages: number;
}

/**
 * Of one owner, in every one of the sets before the first of `dirs`: as CRIU does, also where a set
 * in between leaves a page to one before it. What the first does not hold is never among it.
 */
export async function findReplaced([dir, ...before]: string[], owner: Owner): Promise<Replaced[]> {
  const held: Span[] = [];
  await readPagemap(dir!, owner, ({ page, count, flags }) => {
    if (flags & PE_PRESENT) held.push({ page, count });
  });
  const found: Replaced[] = [];
  for (const older of before) {
    // A set may be older than the process, or the segment.
    if (held.length === 0 || !existsSync(join(older, pagemapName(owner)))) continue;
    const replaced = await replacedIn(older, owner, held);
    if (replaced.pages > 0) found.push(replaced);
  }
  return found;
}

async function replacedIn(dir: string, owner: Owner, held: Span[]): Promise<Replaced> {
  const replaced: Replaced = { path: '', ranges: [], pages: 0 };
  let offset = 0;
  let at = 0;
  const id = await readPagemap(dir, owner, ({ page, count, flags }) => {
    if (!(flags & PE_PRESENT)) return;
    const end = page + count;
    while (at < held.length && held[at]!.page + held[at]!.count <= page) at++;
    for (let i = at; i < held.length && held[i]!.page < end; i++) {
      const first = Math.max(page, held[i]!.page);
      const pages = Math.min(end, held[i]!.page + held[i]!.count) - first;
      append(replaced, offset + (first - page) * PAGE_SIZE, pages);
    }
    offset += count * PAGE_SIZE;
  });
  replaced.path = join(dir, fileName('PAGES', id));
  if (offset > 0) checkPages(replaced.path, offset);
  return replaced;
}

/** Joins what lies in a row. */
function append(to: Replaced, offset: number, pages: number): void {
  const { ranges } = to;
  const length = pages * PAGE_SIZE;
  const last = ranges.length - 2;
  if (last >= 0 && ranges[last]! + ranges[last + 1]! === offset) ranges[last + 1]! += length;
  else ranges.push(offset, length);
  to.pages += pages;
}
