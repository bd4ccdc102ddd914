/** From a manifest and a source to the tables by which the helper finds pages. */

import type { Owner } from '../images/pagemap.js';
import { PAGE_SIZE, PE_LAZY } from '../images/pagemap.js';
import type { SourceRequest, TableRequest } from '../helper/protocol.js';
import type { Manifest, ManifestRange } from '../pages/manifest.js';
import type { PageSource, Place } from '../pages/source.js';

/** Runs in a frame. */
const RUNS = 32 * 1024;

export interface Tables {
  sources: SourceRequest[];
  /** Frames of bounded size. */
  tables: TableRequest[];
  /** Pages in them. */
  pages: number;
}

/** A run in the making: page, count, index of the source, page in it. */
type Quad = [page: number, count: number, source: number, offset: number];

/**
 * All pages of processes that a restore takes late. Throws CkptError E_PAGE_SOURCE for those that
 * the source does not have, where it can tell.
 */
export function makeTables({ owners }: Manifest, source: PageSource): Tables {
  const places = new Places();
  const made: Tables = { sources: places.sources, tables: [], pages: 0 };
  for (const { owner, ranges } of owners) {
    if (!('pid' in owner)) continue;
    const quads: Quad[] = [];
    for (const range of ranges.filter(isLate)) {
      made.pages += range.count;
      for (const quad of locate(owner, range, source, places)) append(quads, quad);
    }
    made.tables.push(...frames(owner.pid, quads));
  }
  return made;
}

/** `criu restore --lazy-pages` leaves out what is marked, be it present or not. */
function isLate({ flags, eager }: ManifestRange): boolean {
  return (flags & PE_LAZY) !== 0 && !eager;
}

function locate(
  owner: Owner,
  { page, count }: ManifestRange,
  source: PageSource,
  places: Places,
): Quad[] {
  if (!source.locate) return [[page, count, places.remote(), page]];
  return source
    .locate({ owner, page, count })
    .map((part) => [part.page, part.count, ...places.find(part.place, part.page)]);
}

/** Joins what lies in a row. */
function append(quads: Quad[], quad: Quad): void {
  const last = quads.at(-1);
  const isNext = last && last[0] + last[1] === quad[0] && last[3] + last[1] === quad[3];
  if (isNext && last[2] === quad[2]) last[1] += quad[1];
  else quads.push(quad);
}

/** One frame at least: the helper is to know every process. */
function frames(pid: number, quads: Quad[]): TableRequest[] {
  const parts = Math.max(1, Math.ceil(quads.length / RUNS));
  return Array.from({ length: parts }, (_, i) => ({
    op: 'table',
    pid,
    runs: quads.slice(i * RUNS, (i + 1) * RUNS).flat(),
  }));
}

/** Sources by their indexes. */
class Places {
  readonly sources: SourceRequest[] = [];
  readonly #indexes = new Map<string, number>();

  /** The index of a place's source, and the page in it. */
  find(place: Place, page: number): [source: number, offset: number] {
    if (place.kind === 'process') {
      const { kind, pid } = place;
      return [this.#index({ kind, pid }), page];
    }
    const { kind, path, offset } = place;
    return [this.#index({ kind, path }), offset / PAGE_SIZE];
  }

  remote(): number {
    return this.#index({ kind: 'remote' });
  }

  #index(source: SourceRequest): number {
    const key = JSON.stringify(source);
    let index = this.#indexes.get(key);
    if (index === undefined) {
      index = this.sources.push(source) - 1;
      this.#indexes.set(key, index);
    }
    return index;
  }
}
