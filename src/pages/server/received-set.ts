/**
 * The pagemaps and pages that a dump sends: images as criu's own page server makes them, in a folder
 * to which the dump's other images are brought later. What is there already is never overwritten,
 * and of a dump that breaks off nothing stays.
 */

import { CkptError } from '../../errors.js';
import {
  type Owner,
  PagemapWriter,
  PAGE_SIZE,
  PE_LAZY,
  PE_PARENT,
  PE_PRESENT,
} from '../../images/pagemap.js';
import { ImageSet } from '../../images/set.js';
import type { ImageWriter } from '../../images/write.js';
import type { Coverage } from '../coverage.js';
import { runText } from '../owner.js';
import { isSame } from '../ranges.js';
import type { PageRun } from '../source.js';
import { hasParentPages, loadParentPages } from './parent-pages.js';

/** So that its numbers and those of pages images that the dump writes itself do not meet. */
const FIRST_PAGES_ID = 0x10001;
/** The longest run, 1 TiB: pagemaps have an entry for each GiB of one. */
const MAX_RUN = 2 ** 28;
/** Owners that one dump may have: as many as there are pids. */
const MAX_OWNERS = 2 ** 22;

/** An owner whose pages come in. */
interface Open {
  owner: Owner;
  pagemap: PagemapWriter;
  pages: ImageWriter<'PAGES'>;
  parent: Coverage | undefined;
  /** Where the next run may begin. */
  end: number;
}

export class ReceivedSet {
  /** So far. */
  owners = 0;
  pages = 0;
  readonly #set: ImageSet;
  #open: Open | undefined;

  /** In the folder `dir`, which must exist. */
  constructor(private readonly dir: string) {
    this.#set = new ImageSet(dir, { isOwn: true, sync: false });
  }

  get isBegun(): boolean {
    return this.owners > 0;
  }

  hasParent(owner: Owner): boolean {
    return hasParentPages(this.dir, owner);
  }

  /** What comes is of `owner`. Resolves to whether it has pages in a parent set. */
  async open(owner: Owner): Promise<boolean> {
    this.close();
    if (this.owners >= MAX_OWNERS) throw violation('there are more owners than pids');
    const parent = await loadParentPages(this.dir, owner);
    const id = FIRST_PAGES_ID + this.owners++;
    const pagemap =
      'pid' in owner
        ? this.#set.create('PAGEMAP', owner.pid)
        : this.#set.create('SHMEM_PAGEMAP', owner.shmem);
    const pages = this.#set.create('PAGES', id);
    this.#open = { owner, pagemap: new PagemapWriter(pagemap, id), pages, parent, end: 0 };
    return parent !== undefined;
  }

  /** Lists a run of pages. If they are PE_PRESENT, their bytes have to be written next. */
  async add(run: PageRun, flags: number): Promise<void> {
    if (!this.#open || !isSame(this.#open.owner, run.owner)) await this.open(run.owner);
    const open = this.#open!;
    if (flags & ~(PE_PARENT | PE_LAZY | PE_PRESENT) || flags === 0) {
      throw violation(`${runText(run)} have the flags ${flags}`);
    }
    if (run.count > MAX_RUN) throw violation(`${runText(run)} are too many at a time`);
    if (run.page < open.end) throw violation(`${runText(run)} come behind later ones`);
    const isHole = (flags & PE_PARENT) !== 0;
    if (isHole && (!open.parent || open.parent.firstGap(run)))
      throw violation(`${runText(run)} are in no parent set`);
    open.end = run.page + run.count;
    open.pagemap.add(BigInt(run.page) * BigInt(PAGE_SIZE), run.count, flags);
    this.pages += flags & PE_PRESENT ? run.count : 0;
  }

  write(bytes: Uint8Array): void {
    this.#open!.pages.addRaw(bytes);
  }

  /** All of the last owner is here. */
  close(): void {
    this.#open?.pagemap.image.close();
    this.#open?.pages.close();
    this.#open = undefined;
  }

  /** Removes what was made. */
  discard(): void {
    this.#set.discard();
  }
}

function violation(what: string): CkptError {
  return new CkptError('E_PROTOCOL', what);
}
