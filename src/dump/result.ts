/** What a dump tells when it is done; `--json` prints it as it is. Pages are of 4096 bytes. */

import { resolve } from 'node:path';
import { now } from '../clock.js';
import type { LiveFacts, SnapshotFacts, TrackFacts } from '../helper/protocol.js';
import type { ImageFile } from '../images/set.js';
import type { DumpOptions } from './options.js';
import { actionOf } from './request.js';
import type { Session } from './session.js';
import type { Tally } from './tally.js';

/**
 * Pages that hold data: how many the images list, how many of these they hold, and how many are as
 * they were in the parent set.
 */
export interface PageCount {
  listed: number;
  written: number;
  unchanged: number;
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

export interface SnapshotResult {
  /** Pages that were copied after the pause. */
  copiedAfter: number;
  /** Microseconds: of the pause, for making the children that kept them; of a second stop, at the end. */
  cloneUs: number;
  reapUs: number;
}

export interface TrackResult {
  /** The parent, absolute, if it is known what was written since. */
  since?: string;
  /** Pages whose next write will be seen: of a tree that lives on. */
  pages: number;
  /** Pid of the process that holds the tracking on. */
  keeper?: number;
}

export interface DedupResult {
  /** Bytes of the disk that the parents take less. */
  freed: number;
  /** Parents that can be restored by themselves no more, absolute. */
  spent: string[];
}

/** What every dump tells, a pre-dump too. */
export interface Taken {
  tree: number;
  /** Absolute. */
  imagesDir: string;
  /** Microseconds from the first task's stop to the last one's end of it. */
  pauseUs: number;
  /** Microseconds of each phase; `total` is the whole dump, the images' writing included. */
  timesUs: { freeze: number; capture: number; scan: number; copy: number; total: number };
  /** With `trackMem` or a parent. */
  track?: TrackResult;
  /** With `autoDedup` and a parent. */
  dedup?: DedupResult;
  /** By class: private pages that a lazy restore may take late, other private ones, shared memory. */
  pages: { lazy: PageCount; other: PageCount; shared: PageCount };
  /** In none of these, and not listed: pages of zeros that a restore brings by itself. */
  zeroPages: number;
  /** The set, in the order it was made; sizes in bytes. */
  files: ImageFile[];
  /** Of all files. */
  bytes: number;
  /** What the user should know of the set, a line each. */
  warnings: string[];
}

export interface DumpResult extends Taken {
  /** What became of the tree. */
  left: 'dead' | 'running' | 'stopped';
  skipPages: 'all' | 'lazy' | false;
  /** The flat store with all pages, absolute, if one was asked for. */
  pageStore?: string;
  /** With `maxPause`: how the running tree was copied before the freeze. */
  live?: LiveResult;
  /** With `snapshot`: how the memory was copied after the pause. */
  snapshot?: SnapshotResult;
  threads: number;
  processes: ProcessResult[];
}

export interface PreDumpResult extends Taken {
  /** Address spaces, by the first process that has each, in the order of their pids. */
  spaces: { pid: number; pages: PageCount }[];
}

/** A complete set. */
export interface MadeSet {
  files: ImageFile[];
  /** Of its files and links. */
  names: string[];
  warnings: string[];
}

const LEFT = { run: 'running', stop: 'stopped', kill: 'dead' } as const;

/** `frozen`: the pause as the end of it told; `start`: when the dump began, as clock.ts has it. */
export function makeResult(
  session: Session,
  made: MadeSet,
  tally: Tally,
  frozen: number | undefined,
  start: number,
): DumpResult {
  const { options } = session;
  const { captured, processes } = tally;
  const taken = takenOf(session, made, tally, frozen, start);
  const live = captured!.live && liveOf(captured!.live);
  const snapshot = captured!.snapshot && snapshotOf(captured!.snapshot);
  return {
    ...taken,
    left: LEFT[actionOf(options)],
    skipPages: options.skipPages ?? false,
    ...(options.pageStore !== undefined && { pageStore: resolve(options.pageStore) }),
    ...(live && { live }),
    ...(snapshot && { snapshot }),
    threads: processes.reduce((sum, { threads }) => sum + threads, 0),
    processes,
    warnings: [...taken.warnings, ...tooLong(options, taken.pauseUs)],
  };
}

/** Likewise, of a pre-dump. */
export function makePreDumpResult(...given: Parameters<typeof takenOf>): PreDumpResult {
  const spaces = [...given[2].spaces].map(([pid, pages]) => ({ pid, pages }));
  return { ...takenOf(...given), spaces: spaces.sort((a, b) => a.pid - b.pid) };
}

function takenOf(
  { options, folders, parent }: Session,
  { files, warnings }: MadeSet,
  { captured, pages }: Tally,
  frozen: number | undefined,
  start: number,
): Taken {
  const { track, times_us } = captured!;
  const { freeze, capture, scan, copy, ...times } = times_us;
  return {
    tree: options.tree,
    imagesDir: folders.images,
    pauseUs: frozen ?? times.frozen ?? times.total,
    timesUs: { freeze, capture, scan, copy, total: Math.round((now() - start) * 1000) },
    ...(track && { track: trackOf(track, parent?.set.dir) }),
    pages,
    zeroPages: captured!.pages.zero,
    files,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    warnings,
  };
}

function trackOf({ since, tracked, keeper }: TrackFacts, parent: string | undefined): TrackResult {
  return {
    ...(since !== undefined && parent !== undefined && { since: parent }),
    pages: tracked,
    ...(keeper !== undefined && { keeper }),
  };
}

function liveOf({ estimate_us, longest_us, ...rest }: LiveFacts): LiveResult {
  const { rounds, copied, left, stops } = rest;
  return { rounds, copied, left, estimateUs: estimate_us, stops, longestUs: longest_us };
}

function snapshotOf({ clone_us, reap_us, copied_after }: SnapshotFacts): SnapshotResult {
  return { copiedAfter: copied_after, cloneUs: clone_us, reapUs: reap_us };
}

/** The pause that was allowed, and what it became. */
function tooLong({ maxPause }: DumpOptions, pauseUs: number): string[] {
  if (maxPause === undefined || pauseUs <= maxPause * 1000) return [];
  return [
    `the pause of ${(pauseUs / 1000).toFixed(1)} ms is longer than --max-pause ${maxPause}ms`,
  ];
}
