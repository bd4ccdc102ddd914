/** What every dump begins and ends with, a pre-dump too: its folders, log, time limit, parent and store. */

import { asCkptError } from '../errors.js';
import { newSetId } from '../images/set-id.js';
import type { Store } from '../pages/fill/store.js';
import type { Parent } from '../pages/parent-set.js';
import { findFolders } from './folders.js';
import { Limit } from './limit.js';
import { Log } from './log.js';
import type { DumpOptions, Progress } from './options.js';
import type { Taken } from './result.js';
import type { Session } from './session.js';
import { takeDump, type Tell } from './take.js';

export interface Start extends Pick<Session, 'options' | 'isPreDump'> {
  tell: (progress: Progress) => void;
}

/** Takes the dump, whose options have been checked. Throws CkptError; then nothing is left of it. */
export async function startSession<R extends Taken>(
  { tell, ...given }: Start,
  makeResult: Tell<R>,
): Promise<R> {
  const { options } = given;
  const folders = findFolders(options.imagesDir, options.workDir);
  const log = new Log(options, folders.work);
  const limit = new Limit(options.signal, options.timeout);
  const report = (progress: Progress): void => {
    options.onProgress?.(progress);
    tell(progress);
  };
  let store: Store | undefined;
  try {
    const parent = await findParent(folders.images, options);
    store = await beginStore(options);
    const setId = newSetId();
    return await takeDump(
      { ...given, folders, setId, parent, limit, log, report, store },
      makeResult,
    );
  } catch (thrown) {
    const error = asCkptError(limit.signal.aborted ? limit.signal.reason : thrown);
    log.error(error.message);
    throw error;
  } finally {
    limit.lift();
    store?.close();
    log.close();
  }
}

/** Read before the dump begins: whoever is paused shall not wait for it. */
async function findParent(images: string, options: DumpOptions): Promise<Parent | undefined> {
  if (options.prevImagesDir === undefined) return undefined;
  const { findParent } = await import('./parent.js');
  return findParent(images, options.prevImagesDir, options);
}

async function beginStore({ pageStore }: DumpOptions): Promise<Store | undefined> {
  if (pageStore === undefined) return undefined;
  const { Store } = await import('../pages/fill/store.js');
  return new Store(pageStore);
}
