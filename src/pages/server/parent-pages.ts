/** What the parent of a set in the making has of one owner: pages that a dump need not send again. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Owner, PE_PARENT, PE_PRESENT } from '../../images/pagemap.js';
import { pagemapName } from '../owner.js';
import { type PagemapRun, readPagemap } from '../pagemap.js';

/** CRIU's name for the symlink to the parent set. */
const PARENT = 'parent';

export class ParentPages {
  #at = 0;

  private constructor(private readonly runs: PagemapRun[]) {}

  static exist(dir: string, owner: Owner): boolean {
    return existsSync(join(dir, PARENT, pagemapName(owner)));
  }

  static async load(dir: string, owner: Owner): Promise<ParentPages | undefined> {
    if (!ParentPages.exist(dir, owner)) return undefined;
    const runs: PagemapRun[] = [];
    await readPagemap(join(dir, PARENT), owner, (run) => {
      if (run.flags & (PE_PRESENT | PE_PARENT)) runs.push(run);
    });
    return new ParentPages(runs);
  }

  /** Whether all pages of a run are there. To be asked in ascending order. */
  covers({ page, count }: { page: number; count: number }): boolean {
    for (const end = page + count; page < end;) {
      while (this.#at < this.runs.length && endOf(this.runs[this.#at]!) <= page) this.#at++;
      const run = this.runs[this.#at];
      if (!run || run.page > page) return false;
      page = endOf(run);
    }
    return true;
  }
}

function endOf({ page, count }: PagemapRun): number {
  return page + count;
}
