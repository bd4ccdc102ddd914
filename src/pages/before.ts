/** Where the pages that have not changed lie in a flat store of the set before: what refreshing one takes. */

import { CkptError } from '../errors.js';
import type { DescribedRange } from './describe.js';
import type { Manifest, ManifestOwner } from './manifest.js';
import { rangesOf } from './ranges.js';
import { readManifest } from './read-manifest.js';

/** A range, and if all of it is in a store of the set before, where: in pages from its beginning. */
export type DatedRange = DescribedRange & { before?: number };

/** The set that the unchanged pages of `set` are unchanged since, if it is there and lists pages of tasks. */
export async function readBefore({ changedSince }: Manifest): Promise<Manifest | undefined> {
  if (changedSince === undefined) return undefined;
  try {
    return await readManifest(changedSince);
  } catch (error) {
    if (error instanceof CkptError) return undefined;
    throw error;
  }
}

/** The parts of a range that lie in one piece in the store of the set before. */
export function dateRange(
  range: DescribedRange,
  { owner }: ManifestOwner,
  before: Manifest | undefined,
): DatedRange[] {
  if (!range.unchanged || !before) return [range];
  const older = rangesOf(before, { owner, page: range.page, count: range.count });
  if (!older) return [range];
  return older.map(({ page, count, at }) => {
    return { ...range, page, count, at: range.at + page - range.page, before: at };
  });
}
