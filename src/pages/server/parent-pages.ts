/** What the parent of a set in the making has of one owner: pages that a dump need not send again. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PARENT } from '../../images/links.js';
import { type Owner, PE_PARENT, PE_PRESENT } from '../../images/pagemap.js';
import { Coverage } from '../coverage.js';
import { pagemapName } from '../owner.js';
import { readPagemap } from '../pagemap.js';

export function hasParentPages(dir: string, owner: Owner): boolean {
  return existsSync(join(dir, PARENT, pagemapName(owner)));
}

/** Undefined where there is no parent, or it does not know the owner. Throws CkptError as readPagemap does. */
export async function loadParentPages(dir: string, owner: Owner): Promise<Coverage | undefined> {
  if (!hasParentPages(dir, owner)) return undefined;
  const pages = new Coverage();
  await readPagemap(join(dir, PARENT), owner, (run) => {
    if (run.flags & (PE_PRESENT | PE_PARENT)) pages.add(run);
  });
  return pages;
}
