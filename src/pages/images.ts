/** `images:DIR`: another image set of the same tree, one that holds its pages. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CkptError } from '../errors.js';
import { fileName } from '../images/names.js';
import type { Owner } from '../images/pagemap.js';
import { listOwners } from './folder.js';
import { cut, findGenerations, findPieces, type Piece } from './generations.js';
import type { Manifest, Stretch } from './manifest.js';
import { blankOf, readMappings } from './mappings.js';
import { ownerKey, ownerText } from './owner.js';
import { OpenFiles } from './place.js';
import { firstEndingAfter, lacks } from './ranges.js';
import type { Located, PageRun, PageSource } from './source.js';

export class ImagesSource implements PageSource {
  readonly name: string;
  readonly #dir: string;
  readonly #files: OpenFiles;
  readonly #pieces = new Map<string, Piece[]>();

  constructor(dir: string) {
    this.name = `images:${dir}`;
    this.#dir = dir;
    this.#files = new OpenFiles(this.name);
  }

  async open(set: Manifest): Promise<void> {
    const generations = await findGenerations(this.#dir);
    const here = new Set(listOwners(generations[0]!).map(ownerKey));
    for (const { owner, ranges } of set.owners) {
      if (ranges.length === 0) continue;
      if (!here.has(ownerKey(owner))) {
        const message = `${this.name}: it has no pages of ${ownerText(owner)}, so it is of another tree`;
        throw new CkptError('E_PAGE_SOURCE', message, { object: this.name });
      }
      const blank = await this.#blank(generations[0]!, owner);
      this.#pieces.set(ownerKey(owner), await findPieces(generations, owner, { blank }));
    }
  }

  /** Where a set need not list pages that are all zeros. One that a page server made has pages only. */
  async #blank(dir: string, owner: Owner): Promise<Stretch[]> {
    if (!('pid' in owner) || !existsSync(join(dir, fileName('MM', owner.pid)))) return [];
    return blankOf(await readMappings(dir, owner.pid));
  }

  locate(run: PageRun): Located[] {
    const located: Located[] = [];
    const end = run.page + run.count;
    const pieces = this.#pieces.get(ownerKey(run.owner)) ?? [];
    let page = run.page;
    for (let i = firstEndingAfter(pieces, page); page < end; i++) {
      const piece = pieces[i];
      if (!piece || piece.page > page) throw lacks(this.name, run, 'the set does not hold all');
      const { count, path, offset } = cut(piece, page, end);
      located.push({ page, count, place: { kind: 'file', path, offset } });
      page += count;
    }
    return located;
  }

  read(run: PageRun): Promise<Uint8Array> {
    return this.#files.read(run, this.locate(run));
  }

  close(): Promise<void> {
    return this.#files.close();
  }
}
