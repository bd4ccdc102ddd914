/** Copies what of a set is neither pages nor their lists: the set in another place needs it too. */

import { chmodSync, constants, copyFileSync, type Dirent, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { attempt } from '../../images/file.js';
import { parseName } from '../../images/names.js';

const PAGES = ['PAGEMAP', 'SHMEM_PAGEMAP', 'PAGES'];

/** Copies them from `dir` to `to`; gives their names. Throws CkptError E_WRITE or E_NO_SPACE. */
export function copyRest(dir: string, to: string): string[] {
  const files = attempt('read', dir, () => readdirSync(dir, { withFileTypes: true }));
  const names = files.filter(isRest).map(({ name }) => name);
  for (const name of names) {
    const copy = join(to, name);
    attempt('write', copy, () => {
      copyFileSync(join(dir, name), copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      chmodSync(copy, 0o600);
    });
  }
  return names;
}

/** Images and what a container's runtime put beside them; hidden files are somebody's drafts. */
function isRest(entry: Dirent): boolean {
  const kind = parseName(entry.name)?.kind ?? '';
  return entry.isFile() && !entry.name.startsWith('.') && !PAGES.includes(kind);
}
