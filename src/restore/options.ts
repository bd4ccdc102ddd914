/** What a restore can be told, and what it tells. */

import type { FillResult } from '../pages/fill/options.js';
import type { ServeOptions, ServeResult } from '../serve/options.js';

export interface RestoreOptions extends Pick<
  ServeOptions,
  'workDir' | 'prefetch' | 'record' | 'signal' | 'hurry' | 'onListening' | 'onLog'
> {
  /** The folder of the set. */
  imagesDir: string;
  /** Who has the pages that the set lacks; those that can come late do so. */
  from?: string;
  /** The program: default `criu`, in PATH. */
  criu?: string;
  /** More options for `criu restore`. */
  args?: string[];
  /** Have what criu prints on stderr: stdout is somebody else's. */
  quiet?: boolean;
}

export interface RestoreResult {
  imagesDir: string;
  /** How criu ended: 0 is well. */
  code: number;
  /** Pages that had to be brought before, because no restore can take them late. */
  filled?: FillResult['pages'];
  /** What came late, and how. */
  served?: ServeResult;
  timeUs: number;
}
