/**
 * One dump, from options to a finished image set. The helper takes the facts, the darkroom makes
 * images of them, and only a complete set ends the tree; until then every failure lets the tree
 * run on and removes what was made.
 */

import { asCkptError } from '../errors.js';
import type { Store } from '../pages/fill/store.js';
import { findFolders } from './folders.js';
import { Limit } from './limit.js';
import { Log } from './log.js';
import { checkOptions, type DumpOptions, type Progress } from './options.js';
import type { DumpResult } from './result.js';
import { startRun, type Run } from './run.js';
import { takeDump } from './take.js';

/**
 * Dumps a process tree. The result can be awaited, and iterated over for the progress.
 * Throws CkptError; then the tree runs on, and nothing is left of the set.
 */
export function dump(options: DumpOptions): Run<DumpResult, Progress> {
  return startRun(async (tell) => {
    const report = (progress: Progress): void => {
      options.onProgress?.(progress);
      tell(progress);
    };
    checkOptions(options);
    await checkParent(options);
    const folders = findFolders(options.imagesDir, options.workDir);
    const log = new Log(options, folders.work);
    const limit = new Limit(options.signal, options.timeout);
    let store: Store | undefined;
    try {
      store = await beginStore(options);
      return await takeDump({ options, folders, limit, log, report, store });
    } catch (thrown) {
      const error = asCkptError(limit.signal.aborted ? limit.signal.reason : thrown);
      log.error(error.message);
      throw error;
    } finally {
      limit.lift();
      store?.close();
      log.close();
    }
  });
}

async function beginStore({ pageStore }: DumpOptions): Promise<Store | undefined> {
  if (pageStore === undefined) return undefined;
  const { Store } = await import('../pages/fill/store.js');
  return new Store(pageStore);
}

async function checkParent({ imagesDir, prevImagesDir }: DumpOptions): Promise<void> {
  if (prevImagesDir === undefined) return;
  const { refuseParent } = await import('./parent.js');
  throw await refuseParent(imagesDir, prevImagesDir);
}
