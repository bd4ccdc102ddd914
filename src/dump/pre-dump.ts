/**
 * A pre-dump: the memory of a process tree, copied while the tree runs. It is no snapshot, and
 * nothing can be restored from it; but writes are tracked from it on, so that a dump which has it
 * for a parent need only write what has changed since.
 */

import { checkOptions, type DumpOptions, type Progress } from './options.js';
import { makePreDumpResult, type PreDumpResult } from './result.js';
import { startRun, type Run } from './run.js';
import { startSession } from './start.js';

/** As those of a dump. The tree runs on, and is tracked, in any case. */
export type PreDumpOptions = Pick<
  DumpOptions,
  | 'tree'
  | 'imagesDir'
  | 'workDir'
  | 'prevImagesDir'
  | 'autoDedup'
  | 'timeout'
  | 'logFile'
  | 'verbosity'
  | 'signal'
  | 'onProgress'
  | 'onLog'
>;

/**
 * Pre-dumps a process tree. The result can be awaited, and iterated over for the progress.
 * Throws CkptError; then nothing is left of the set.
 */
export function preDump(options: PreDumpOptions): Run<PreDumpResult, Progress> {
  return startRun(async (tell) => {
    const all: DumpOptions = { ...options, leaveRunning: true, trackMem: true };
    checkOptions(all);
    return startSession({ options: all, isPreDump: true, tell }, makePreDumpResult);
  });
}
