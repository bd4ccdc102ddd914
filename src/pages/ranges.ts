/** Finds the pages of a run in a set's manifest, and tells of those that a source lacks. */

import { CkptError } from '../errors.js';
import { PAGE_SIZE, type Owner } from '../images/pagemap.js';
import type { Manifest, ManifestRange, Stretch } from './manifest.js';
import { runText } from './owner.js';
import type { PageRun } from './source.js';

/** The most pages asked of a store at a time, 4 MiB. */
const MAX_PIECE = 1024;

/** Pages in a row, in a flat page store: counted from its beginning. */
export interface FlatPiece {
  at: number;
  count: number;
}

/** The parts of the manifest's ranges that make up a run; undefined where it lists less than all of it. */
export function rangesOf(set: Manifest, run: PageRun): ManifestRange[] | undefined {
  const ranges = leadingRanges(set, run);
  return total(ranges) === run.count ? ranges : undefined;
}

/** How many pages of a run, from its first on, the manifest lists without a gap; at most `limit`. */
export function listedFrom(set: Manifest, run: PageRun, limit: number): number {
  return total(leadingRanges(set, { ...run, count: Math.min(run.count, limit) }));
}

/** How many pages of a run, from its first on, the set does not list since they are zeros. */
export function zerosFrom(set: Manifest, run: PageRun, limit: number): number {
  const { ranges = [], blank = [] } =
    set.owners.find(({ owner }) => isSame(owner, run.owner)) ?? {};
  const stretch = blank[firstEndingAfter(blank, run.page)];
  const next = ranges[firstEndingAfter(ranges, run.page)];
  if (!stretch || stretch.page > run.page) return 0;
  const ends = [run.page + Math.min(run.count, limit), stretch.page + stretch.count];
  return Math.max(0, Math.min(...ends, next?.page ?? Infinity) - run.page);
}

/** The parts of ranges from the beginning of a run to its end, or to the first page that is not listed. */
function leadingRanges(set: Manifest, run: PageRun): ManifestRange[] {
  const ranges = set.owners.find(({ owner }) => isSame(owner, run.owner))?.ranges ?? [];
  const found: ManifestRange[] = [];
  const end = run.page + run.count;
  let page = run.page;
  for (let i = firstEndingAfter(ranges, page); i < ranges.length && page < end; i++) {
    const range = ranges[i]!;
    if (range.page > page) break;
    const skipped = page - range.page;
    const count = Math.min(range.count - skipped, end - page);
    found.push({ ...range, page, count, at: range.at + skipped });
    page += count;
  }
  return found;
}

function total(ranges: ManifestRange[]): number {
  return ranges.reduce((sum, { count }) => sum + count, 0);
}

/** Where a run lies in a flat page store. Throws CkptError E_PAGE_SOURCE where the set does not list it. */
export function flatPieces(name: string, set: Manifest, run: PageRun): FlatPiece[] {
  const ranges = rangesOf(set, run);
  if (!ranges) throw lacks(name, run, `${set.dir} does not list them`);
  const pieces: FlatPiece[] = [];
  for (const { at, count } of ranges) {
    const last = pieces.at(-1);
    if (last && last.at + last.count === at) last.count += count;
    else pieces.push({ at, count });
  }
  return pieces.flatMap(cut);
}

/** The same in pieces that are not too long. */
function cut({ at, count }: FlatPiece): FlatPiece[] {
  return Array.from({ length: Math.ceil(count / MAX_PIECE) }, (_, i) => ({
    at: at + i * MAX_PIECE,
    count: Math.min(MAX_PIECE, count - i * MAX_PIECE),
  }));
}

/** The bytes of a run from a flat page store, of which `read` gives any part. */
export async function readFlat(
  name: string,
  set: Manifest,
  run: PageRun,
  read: (offset: number, length: number) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const parts = flatPieces(name, set, run).map(({ at, count }) =>
    read(at * PAGE_SIZE, count * PAGE_SIZE),
  );
  const bytes = await Promise.all(parts);
  return bytes.length === 1 ? bytes[0]! : Buffer.concat(bytes);
}

/** The error for pages that a source does not have. */
export function lacks(name: string, run: PageRun, why: string): CkptError {
  return new CkptError('E_PAGE_SOURCE', `${name}: no ${runText(run)}: ${why}`, { object: name });
}

export function isSame(a: Owner, b: Owner): boolean {
  return 'pid' in a ? 'pid' in b && a.pid === b.pid : 'shmem' in b && a.shmem === b.shmem;
}

/** The index of the first range that ends behind `page`. */
export function firstEndingAfter(ranges: readonly Stretch[], page: number): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { page: start, count } = ranges[middle]!;
    if (start + count > page) high = middle;
    else low = middle + 1;
  }
  return low;
}
