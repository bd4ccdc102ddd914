/** What the steps of a dump share. */

import type { Store } from '../pages/fill/store.js';
import type { Parent } from '../pages/parent-set.js';
import type { Folders } from './folders.js';
import type { Limit } from './limit.js';
import type { Log } from './log.js';
import type { DumpOptions, Progress } from './options.js';

export interface Session {
  options: DumpOptions;
  /** Memory alone, while the tree runs. */
  isPreDump?: boolean;
  folders: Folders;
  /** Of the set in the making. */
  setId: string;
  /** The set before it. */
  parent?: Parent | undefined;
  limit: Limit;
  log: Log;
  report: (progress: Progress) => void;
  /** Gets the pages that the images go without. */
  store?: Store | undefined;
}
