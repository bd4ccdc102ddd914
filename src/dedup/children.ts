/** Sets that would lose pages although nobody spoke of them: other children of a set's parents. */

import { type Dirent, lstatSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CkptError } from '../errors.js';
import { attempt } from '../images/file.js';
import { PARENT } from '../images/links.js';

/**
 * Looks beside each of `dirs`, a set and those before it, for a set that has one of the latter as its
 * parent and is none of them. Throws CkptError E_IMAGES_DIR: it needs its parent as it is.
 */
export function refuseOtherChildren(dirs: readonly string[]): void {
  const parents = new Set(dirs.slice(1));
  for (const folder of new Set(dirs.map((dir) => dirname(dir)))) {
    const entries = attempt('read', folder, () => readdirSync(folder, { withFileTypes: true }));
    for (const dir of entries.filter(isFolder).map(({ name }) => join(folder, name))) {
      const parent = dirs.includes(dir) ? undefined : parentOf(dir);
      if (parent !== undefined && parents.has(parent)) throw shared(parent, dir);
    }
  }
}

function isFolder(entry: Dirent): boolean {
  return entry.isDirectory();
}

function parentOf(dir: string): string | undefined {
  const link = join(dir, PARENT);
  try {
    return lstatSync(link).isSymbolicLink() ? realpathSync(link) : undefined;
  } catch {
    return undefined; // none, or it leads nowhere
  }
}

function shared(parent: string, dir: string): CkptError {
  const message = `${parent} is the parent of the set in ${dir} too, which would lose pages`;
  return new CkptError('E_IMAGES_DIR', message, { path: dir });
}
