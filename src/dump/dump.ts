/**
 * One dump, from options to a finished image set. The helper takes the facts, the darkroom makes
 * images of them, and only a complete set ends the tree; until then every failure lets the tree
 * run on and removes what was made.
 */

import { checkOptions, type DumpOptions, type Progress } from './options.js';
import { makeResult, type DumpResult } from './result.js';
import { startRun, type Run } from './run.js';
import { startSession } from './start.js';

/**
 * Dumps a process tree. The result can be awaited, and iterated over for the progress.
 * Throws CkptError; then the tree runs on, and nothing is left of the set.
 */
export function dump(options: DumpOptions): Run<DumpResult, Progress> {
  return startRun(async (tell) => {
    checkOptions(options);
    return startSession({ options, tell }, makeResult);
  });
}
