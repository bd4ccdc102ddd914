/** What a dump tells when it is done; `--json` prints it as it is. Pages are of 4096 bytes. */

import { resolve } from 'node:path';
import { now } from '../clock.js';
import type { LiveFacts } from '../helper/protocol.js';
import type { ImageFile } from '../images/set.js';
import type { DumpOptions } from './options.js';
import { actionOf } from './request.js';
import type { Session } from './take.js';
import type { Tally } from './tally.js';

/** Pages that hold data: how many the images list, and how many of these they hold. */
export interface PageCount {
  listed: number;
  written: number;
}

export interface ProcessResult {
  pid: number;
  comm: string;
  state: 'alive' | 'stopped' | 'zombie';
  threads: number;
  /** Of its address space; where processes share one, with the first of them. */
  pages: PageCount;
}

export interface LiveResult {
  rounds: number;
  /** Pages that were copied meanwhile, some more than once. */
  copied: number;
  /** Pages that were left for the pause, and how long it was expected to be, in microseconds. */
  left: number;
  estimateUs: number;
  /** How often the tree was stopped before, and for how long at most, in microseconds. */
  stops: number;
  longestUs: number;
}

export interface DumpResult {
  tree: number;
  /** Absolute. */
  imagesDir: string;
  /** What became of the tree. */
  left: 'dead' | 'running' | 'stopped';
  skipPages: 'all' | 'lazy' | false;
  /** The flat store with all pages, absolute, if one was asked for. */
  pageStore?: string;
  /** Microseconds from the first task's stop to the last one's end of it. */
  pauseUs: number;
  /** Microseconds of each phase; `total` is the whole dump, the images' writing included. */
  timesUs: { freeze: number; capture: number; scan: number; copy: number; total: number };
  /** With `maxPause`: how the running tree was copied before the freeze. */
  live?: LiveResult;
  threads: number;
  /** By class: private pages that a lazy restore may take late, other private ones, shared memory. */
  pages: { lazy: PageCount; other: PageCount; shared: PageCount };
  /** In none of these, and not listed: pages of zeros that a restore brings by itself. */
  zeroPages: number;
  processes: ProcessResult[];
  /** The set, in the order it was made; sizes in bytes. */
  files: ImageFile[];
  /** Of all files. */
  bytes: number;
  /** What the user should know of the set, a line each. */
  warnings: string[];
}

/** A complete set. */
export interface MadeSet {
  files: ImageFile[];
  warnings: string[];
}

const LEFT = { run: 'running', stop: 'stopped', kill: 'dead' } as const;

/** `frozen`: the pause as the end of it told; `start`: when the dump began, as clock.ts has it. */
export function makeResult(
  { options, folders }: Session,
  { files, warnings }: MadeSet,
  { captured, processes, pages }: Tally,
  frozen: number | undefined,
  start: number,
): DumpResult {
  const { freeze, capture, scan, copy, ...times } = captured!.times_us;
  const pauseUs = frozen ?? times.frozen ?? times.total;
  const live = captured!.live && liveOf(captured!.live);
  const total = Math.round((now() - start) * 1000);
  return {
    tree: options.tree,
    imagesDir: folders.images,
    left: LEFT[actionOf(options)],
    skipPages: options.skipPages ?? false,
    ...(options.pageStore !== undefined && { pageStore: resolve(options.pageStore) }),
    pauseUs,
    timesUs: { freeze, capture, scan, copy, total },
    ...(live && { live }),
    threads: processes.reduce((sum, { threads }) => sum + threads, 0),
    pages,
    zeroPages: captured!.pages.zero,
    processes,
    files,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    warnings: [...warnings, ...tooLong(options, pauseUs)],
  };
}

function liveOf({ estimate_us, longest_us, ...rest }: LiveFacts): LiveResult {
  const { rounds, copied, left, stops } = rest;
  return { rounds, copied, left, estimateUs: estimate_us, stops, longestUs: longest_us };
}

/** The pause that was allowed, and what it became. */
function tooLong({ maxPause }: DumpOptions, pauseUs: number): string[] {
  if (maxPause === undefined || pauseUs <= maxPause * 1000) return [];
  return [
    `the pause of ${(pauseUs / 1000).toFixed(1)} ms is longer than --max-pause ${maxPause}ms`,
  ];
}
