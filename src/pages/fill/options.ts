/** What filling a set can be told, and what it tells. */

import type { Progress } from '../../dump/options.js';
import { CkptError } from '../../errors.js';
import type { PageSource } from '../source.js';

export interface FillOptions {
  /** The folder of a set that lacks pages. */
  imagesDir: string;
  /** Who has them: `images:DIR`, `process:PID`, `file:PATH` ..., or any source. */
  from: string | PageSource;
  /** An existing folder for the filled set; a checkpoint in it is replaced. Default: in place. */
  out?: string;
  /** Only those pages that no restore can take late. */
  only?: 'eager';
  /** Instead of filling the set: a new file, or a block device, that gets all pages, for `file:`. */
  store?: string;
  /** Stops it: the set stays as it was. */
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
}

export interface FillResult {
  /** The set that is full now; with `store`, the one whose pages are there. Absolute. */
  imagesDir: string;
  /** The source's name. */
  from: string;
  /** The flat store that was written, if one was. */
  store?: string;
  /** `listed` = `kept` (the set had them) + `filled` (from the source) + `late` (still nowhere). */
  pages: { listed: number; kept: number; filled: number; late: number };
  /** Bytes of page data written. */
  bytes: number;
  timeUs: number;
}

/** Throws CkptError E_USAGE for options that are missing or contradict each other. */
export function checkOptions({ imagesDir, from, out, only, store }: FillOptions): void {
  if (!imagesDir) throw usage('--images-dir DIR is missing: which set is to be filled?');
  if (!from) throw usage('--from SOURCE is missing: where are the pages to come from?');
  if (only !== undefined && only !== 'eager') throw usage(`--only: '${only}' is not eager`);
  if (store !== undefined && out !== undefined) throw usage('--store and --out exclude each other');
  if (store !== undefined && only) throw usage('--store and --only exclude each other');
}

function usage(message: string): CkptError {
  return new CkptError('E_USAGE', message);
}
