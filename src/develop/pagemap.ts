/**
 * pagemap-PID.img and pagemap-shmem-INO.img: which pages there are, and where their data is.
 *
 * Runs stream from the helper's frames into the images; memory is needed for one frame only.
 */

import {
  type Owner,
  PAGE_SIZE,
  PagemapWriter,
  PE_LAZY,
  PE_PARENT,
  PE_PRESENT,
} from '../images/pagemap.js';
import { fileName } from '../images/names.js';
import type { ImageSet } from '../images/set.js';
import { type PagemapFrame, RUN_COPIED, RUN_LAZY, RUN_UNCHANGED } from '../helper/protocol.js';
import type { PageRun } from '../pages/source.js';
import type { DevelopOptions } from './options.js';
import { contradiction } from './refuse.js';

/** `pages_id` of a set without page data. */
const NO_PAGES = 0;
/** Pages images that the helper had no reason to make are numbered from here, beyond all of its own. */
const FIRST_OWN_ID = 0x10001;

interface Open {
  key: string;
  writer: PagemapWriter;
}

export class Pagemaps {
  /** Names of the pages images that the helper made. */
  readonly files = new Set<string>();
  readonly #images: ImageSet;
  readonly #skip: DevelopOptions['skipPages'];
  readonly #parent: DevelopOptions['parent'];
  readonly #done = new Set<string>();
  #open: Open | undefined;
  #nextId = FIRST_OWN_ID;

  constructor(images: ImageSet, { skipPages, parent }: DevelopOptions) {
    this.#images = images;
    this.#parent = parent;
    this.#skip = skipPages;
  }

  /** Writes a frame's runs. All frames of one owner come in a row. */
  add(frame: PagemapFrame): void {
    const owner = ownerOf(frame);
    const open = this.#openFor(owner, frame.pages_file);
    const { runs } = frame;
    for (let i = 0; i < runs.length; i += 3) {
      const [page, count, bits] = [runs[i]!, runs[i + 1]!, runs[i + 2]!];
      const isUnchanged = (bits & RUN_UNCHANGED) !== 0;
      const flags = isUnchanged ? this.#leave({ owner, page, count }, bits) : this.#flags(bits);
      open.writer.add(page * PAGE_SIZE, count, flags);
    }
    if (frame.last) this.#close(open);
  }

  /** Writes an empty image for each of `owners` that has none: a restore asks for one. */
  complete(owners: readonly Owner[]): void {
    if (this.#open) contradiction(`the pages of ${this.#open.key} have no end`);
    for (const owner of owners) {
      if (!this.#done.has(keyOf(owner))) this.#close(this.#openFor(owner, undefined));
    }
  }

  #openFor(owner: Owner, pagesFile: string | undefined): Open {
    const key = keyOf(owner);
    if (this.#open?.key === key) return this.#open;
    if (this.#open || this.#done.has(key)) contradiction(`the pages of ${key} come in parts`);
    const image =
      'pid' in owner
        ? this.#images.create('PAGEMAP', owner.pid)
        : this.#images.create('SHMEM_PAGEMAP', owner.shmem);
    const writer = new PagemapWriter(image as PagemapWriter['image'], this.#pagesId(pagesFile));
    return (this.#open = { key, writer });
  }

  #close({ key, writer }: Open): void {
    writer.image.close();
    this.#done.add(key);
    this.#open = undefined;
  }

  /** The number in a pages image's name; where the owner has none, one is made, for a restore opens it. */
  #pagesId(pagesFile: string | undefined): number {
    if (this.#skip === 'all') return NO_PAGES;
    if (pagesFile === undefined) {
      this.#images.create('PAGES', this.#nextId).close();
      return this.#nextId++;
    }
    this.files.add(pagesFile);
    const id = Number(/\d+/.exec(pagesFile)?.[0]);
    return pagesFile === fileName('PAGES', id) ? id : contradiction(`pages in ${pagesFile}`);
  }

  /** Leaves a run to the parent, which has to have it. */
  #leave(run: PageRun, bits: number): number {
    if (!this.#parent || bits & RUN_COPIED)
      return contradiction('pages have not changed since ever');
    this.#parent.set.expect(run);
    return PE_PARENT;
  }

  /** A full dump marks what can be taken late although it is present, as CRIU does. */
  #flags(bits: number): number {
    if (this.#skip === 'all') return PE_LAZY;
    const isCopied = (bits & RUN_COPIED) !== 0;
    const isLazy = (bits & RUN_LAZY) !== 0;
    if (isCopied) return isLazy ? PE_PRESENT | PE_LAZY : PE_PRESENT;
    if (isLazy && this.#skip === 'lazy') return PE_LAZY;
    return contradiction('pages that should have been copied were not');
  }
}

function ownerOf({ pid, shmem }: PagemapFrame): Owner {
  if (pid !== undefined) return { pid };
  return { shmem: BigInt(shmem ?? contradiction('pages of nobody')) };
}

function keyOf(owner: Owner): string {
  return 'pid' in owner ? `pid ${owner.pid}` : `shared memory ${owner.shmem}`;
}
