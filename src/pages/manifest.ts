/** What pages an image set lists: for each address space and each segment of shared memory. */

import type { Owner } from '../images/pagemap.js';

/** Pages in a row. */
export interface Stretch {
  /** Address, or offset in the segment, divided by 4096. */
  page: number;
  count: number;
}

/** Pages in a row that are alike. */
export interface ManifestRange extends Stretch {
  /** PE_*, as a restore is to take them. */
  flags: number;
  /** In a set of what has changed: they are as they were in the set before. */
  unchanged?: boolean;
  /** No restore can take them late: they have to be in the images (FACTS, "Lazy VMAs"). */
  eager: boolean;
  /** Where they lie in a flat page store, in pages from its beginning. */
  at: number;
}

export interface ManifestOwner {
  owner: Owner;
  /** Ascending. */
  ranges: ManifestRange[];
  /** Ascending: where pages that are not listed are zeros, whoever restores the set. */
  blank?: readonly Stretch[];
}

export interface Manifest {
  /** The set's folder, absolute. */
  dir: string;
  /** Address spaces by ascending pid, then segments by ascending id: the order of a flat store. */
  owners: ManifestOwner[];
  /** All pages of it. */
  pages: number;
  /** Of a set of what has changed: the set before, absolute, as the link has it. */
  changedSince?: string;
}
