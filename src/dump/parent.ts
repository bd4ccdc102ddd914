/** `--prev-images-dir`: the set to which a dump leaves the pages that have not changed since. */

import { existsSync, realpathSync } from 'node:fs';
import { isAbsolute, relative, resolve } from 'node:path';
import { CkptError } from '../errors.js';
import { CHANGED_SINCE, PARENT } from '../images/links.js';
import { type Parent, ParentSet } from '../pages/parent-set.js';
import type { DumpOptions } from './options.js';

/**
 * Finds the parent of a set that is to come to be in the folder `images`, from where `prevImagesDir`
 * leads. Throws CkptError: E_IMAGES_DIR, E_UNSUPPORTED_OPTION, and as ParentSet.read does.
 */
export async function findParent(
  images: string,
  prevImagesDir: string,
  { skipPages }: Pick<DumpOptions, 'skipPages'>,
): Promise<Parent> {
  try {
    const dir = resolve(images, prevImagesDir);
    refuseItself(images, dir);
    const link = skipPages ? CHANGED_SINCE : PARENT;
    const set = await ParentSet.read(dir, link);
    if (set.dirs.includes(images)) throw ownAncestor(images, set.dir);
    const target = isAbsolute(prevImagesDir) ? relative(images, set.dir) : prevImagesDir;
    return { set, link, target };
  } catch (error) {
    if (!(error instanceof CkptError)) throw error;
    throw new CkptError(error.code, `--prev-images-dir: ${error.message}`, error.details);
  }
}

function refuseItself(images: string, dir: string): void {
  if (!existsSync(dir) || realpathSync(dir) !== images) return;
  throw new CkptError('E_USAGE', `${dir} is the folder of the new set itself`, { path: dir });
}

/** The new set would take the place of one that its parent needs. */
function ownAncestor(images: string, parent: string): CkptError {
  const message = `${parent} needs the set in ${images}, which this dump would replace`;
  return new CkptError('E_USAGE', message, { path: parent, remedy: 'dump into another folder' });
}
