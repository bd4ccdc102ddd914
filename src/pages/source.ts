/**
 * Where page data comes from: one interface for a file, another process, a server far away.
 *
 * A source belongs to one image set, whose manifest tells it which pages there are. It answers for
 * runs of pages; where the bytes lie in a file or in another process, it can say so instead, and
 * the helper reads them itself.
 */

import type { Owner } from '../images/pagemap.js';
import type { Manifest } from './manifest.js';

/** A run of pages: `page` is an address, or an offset in a segment, divided by 4096. */
export interface PageRun {
  owner: Owner;
  page: number;
  count: number;
}

/** Where the bytes of a run lie, all in one piece. */
export type Place =
  | { kind: 'file'; path: string; /** In bytes. */ offset: number }
  /** In the memory of a process, each page at its own address. */
  | { kind: 'process'; pid: number };

/** A part of a run, in its order, and where its bytes are. */
export interface Located {
  page: number;
  count: number;
  place: Place;
}

export interface PageSource {
  /** As the user named it, for errors and logs: `file:/dev/pmem0`. */
  readonly name: string;

  /** Called once, before all else. Throws CkptError where the source cannot serve this set. */
  open?(set: Manifest): Promise<void>;

  /**
   * The bytes of a run, `count` * 4096 of them. Several reads may be under way at a time.
   * Throws CkptError E_PAGE_SOURCE, naming source and range, for pages that it does not have;
   * whatever else it throws is taken for a failure that may pass, and tried again.
   */
  read(run: PageRun, signal?: AbortSignal): Promise<Uint8Array>;

  /** Where the bytes of a run lie, if the helper can read them there; all of them, in order. */
  locate?(run: PageRun): Located[];

  close?(): Promise<void>;
}
