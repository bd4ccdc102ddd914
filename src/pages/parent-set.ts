/** The set to which another one, in the making, leaves pages: what it has of each owner. */

import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { CkptError } from '../errors.js';
import { CHANGED_SINCE, PARENT, type ParentLink } from '../images/links.js';
import { type Owner, PE_LAZY } from '../images/pagemap.js';
import { Coverage } from './coverage.js';
import { listOwners, readInventory } from './folder.js';
import { findGenerations, findPieces } from './generations.js';
import { ownerKey, ownerText, runText } from './owner.js';
import { type PagemapRun, readPagemap } from './pagemap.js';
import type { PageRun } from './source.js';

/** A set before the one in the making, and the link that is to lead there. */
export interface Parent {
  set: ParentSet;
  link: ParentLink;
  /** What the link says: relative, so that a chain can be moved. */
  target: string;
}

/**
 * What of a parent counts: with `parent` the pages that it or a set before it holds; with
 * `ckpt-parent`, of a set that holds no pages itself, those that it lists.
 */
export class ParentSet {
  private constructor(
    /** Its folder and those of the sets before it, absolute, the youngest first. */
    readonly dirs: readonly string[],
    /** By which the keeper of a tree knows it. */
    readonly id: string | undefined,
    private readonly pages: ReadonlyMap<string, Coverage>,
  ) {}

  get dir(): string {
    return this.dirs[0]!;
  }

  /**
   * Reads the set in `dir`. Throws CkptError E_IMAGES_DIR where it, or one before it, is no
   * checkpoint; E_UNSUPPORTED_OPTION where pages are to be left to a set that does not hold its own;
   * and as findPieces does.
   */
  static async read(dir: string, link: ParentLink): Promise<ParentSet> {
    const dirs = await findGenerations(dir);
    const { dump_criu_run_id } = await readInventory(dirs[0]!);
    if (link === PARENT) refuseManifests(dirs);
    const pages = new Map<string, Coverage>();
    for (const owner of listOwners(dirs[0]!)) {
      const read = link === PARENT ? heldBy : listedBy;
      pages.set(ownerKey(owner), await read(dirs, owner));
    }
    return new ParentSet(dirs, dump_criu_run_id, pages);
  }

  /** Makes sure that it has all pages of a run. Throws CkptError E_IMAGE_CORRUPT. */
  expect(run: PageRun): void {
    const pages = this.pages.get(ownerKey(run.owner));
    const gap = pages ? pages.firstGap(run) : run;
    if (!gap) return;
    const what = pages ? runText({ ...gap, owner: run.owner }) : `pages of ${ownerText(run.owner)}`;
    const message = `${this.dir} has no ${what}, to which they are to be left: they are as they were then`;
    const details = { ...('pid' in run.owner && { pid: run.owner.pid }), path: this.dir };
    throw new CkptError('E_IMAGE_CORRUPT', message, { ...details, remedy: 'make a full dump' });
  }
}

async function heldBy(dirs: string[], owner: Owner): Promise<Coverage> {
  const pages = new Coverage();
  for (const piece of await findPieces(dirs, owner, { look: refuseMissing })) pages.add(piece);
  return pages;
}

async function listedBy([dir]: string[], owner: Owner): Promise<Coverage> {
  const pages = new Coverage();
  await readPagemap(dir!, owner, (run) => pages.add(run));
  return pages;
}

/** CRIU's restore reads the pages of such a parent from wrong places. */
function refuseMissing(dir: string, { flags }: PagemapRun): void {
  if (flags === PE_LAZY) throw incomplete(dir);
}

function refuseManifests(dirs: string[]): void {
  for (const dir of dirs) {
    if (lstatSync(join(dir, CHANGED_SINCE), { throwIfNoEntry: false })) throw incomplete(dir);
  }
}

function incomplete(path: string): CkptError {
  const message = `${path} was dumped without its pages, so none can be left to it`;
  return new CkptError('E_UNSUPPORTED_OPTION', message, { path });
}
