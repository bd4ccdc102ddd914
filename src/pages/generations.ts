/**
 * Where the pages of a set's owner lie: in its own pages image, or in that of a set before it, to
 * which `parent` leads, and so on.
 */

import { lstatSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { CkptError } from '../errors.js';
import { attempt } from '../images/file.js';
import { PARENT } from '../images/links.js';
import { fileName } from '../images/names.js';
import { type Owner, PAGE_SIZE, PE_PARENT, PE_PRESENT } from '../images/pagemap.js';
import { imageError } from '../images/read.js';
import { findSet } from './folder.js';
import type { Stretch } from './manifest.js';
import { pagemapName } from './owner.js';
import { type PagemapRun, readPagemap } from './pagemap.js';

/** More sets in a row than anybody makes. */
const MAX_GENERATIONS = 512;

/** Pages in a row and where they are: `offset` in bytes. */
export interface Piece extends Stretch {
  path: string;
  offset: number;
}

/**
 * The folders of a set and of its ancestors, each absolute, the youngest first; ancestors may be pre-dumps.
 * Throws CkptError E_IMAGES_DIR where one is no checkpoint, E_IMAGE_CORRUPT where they form a ring.
 */
export async function findGenerations(dir: string): Promise<string[]> {
  const dirs = [await findSet(dir)];
  for (;;) {
    const link = join(dirs.at(-1)!, PARENT);
    if (!lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink()) return dirs;
    const parent = await findSet(link);
    if (dirs.includes(parent)) throw imageError('E_IMAGE_CORRUPT', link, 'it leads in a ring');
    if (dirs.length >= MAX_GENERATIONS) {
      throw imageError('E_IMAGE_CORRUPT', link, `more than ${MAX_GENERATIONS} sets in a row`);
    }
    dirs.push(parent);
  }
}

export interface Looking {
  blank?: readonly Stretch[];
  look?: ((dir: string, run: PagemapRun) => void) | undefined;
}

/**
 * The pages of an owner that are somewhere in these sets, ascending. Where the first set lists no
 * page, those of `blank`, which ascends, are zeros; `look` sees the runs that are read for it.
 * Throws CkptError as readPagemap does, and where a pages image is missing or too short.
 */
export async function findPieces(
  [dir, ...before]: string[],
  owner: Owner,
  { blank = [], look }: Looking = {},
): Promise<Piece[]> {
  const runs: PagemapRun[] = [];
  const pagesId = await readPagemap(dir!, owner, (run) => {
    look?.(dir!, run);
    runs.push(run);
  });
  const path = join(dir!, fileName('PAGES', pagesId));
  const older = runs.some(isOlder) ? await findOlder(dir!, before, owner, look) : [];
  const pieces: Piece[] = [];
  let offset = 0;
  let from = 0;
  for (const run of runs) {
    const { page, count } = run;
    if (run.flags & PE_PRESENT) {
      pieces.push({ page, count, path, offset });
      offset += count * PAGE_SIZE;
    } else if (isOlder(run)) {
      from = take(older, from, run, pieces);
    }
  }
  if (offset > 0) checkPages(path, offset);
  for (const gap of gaps(blank, runs)) pieces.push({ ...gap, path: '/dev/zero', offset: 0 });
  return pieces.sort((a, b) => a.page - b.page); // two ascending lists: in one pass
}

/** What of `blank` is in none of `runs`. */
function* gaps(blank: readonly Stretch[], runs: readonly Stretch[]): Generator<Stretch> {
  let i = 0;
  for (const { page, count } of blank) {
    const end = page + count;
    let from = page;
    while (i < runs.length && runs[i]!.page + runs[i]!.count <= from) i++;
    for (; i < runs.length && runs[i]!.page < end; i++) {
      if (runs[i]!.page > from) yield { page: from, count: runs[i]!.page - from };
      from = runs[i]!.page + runs[i]!.count;
      if (from >= end) break; // it may reach into the next
    }
    if (from < end) yield { page: from, count: end - from };
  }
}

function isOlder({ flags }: PagemapRun): boolean {
  return (flags & PE_PARENT) !== 0 && !(flags & PE_PRESENT);
}

function findOlder(
  dir: string,
  before: string[],
  owner: Owner,
  look: Looking['look'],
): Promise<Piece[]> {
  if (before.length > 0) return findPieces(before, owner, { look });
  const reason = 'it leaves pages to a parent set, and there is none';
  throw imageError('E_IMAGE_CORRUPT', join(dir, pagemapName(owner)), reason);
}

/**
 * Appends what `older`, from its index `from` on, has of a run; gives the index to go on from, since
 * runs ascend.
 */
function take(older: Piece[], from: number, { page, count }: PagemapRun, to: Piece[]): number {
  const end = page + count;
  let i = from;
  while (i < older.length && older[i]!.page + older[i]!.count <= page) i++;
  for (let j = i; j < older.length && older[j]!.page < end; j++) to.push(cut(older[j]!, page, end));
  return i;
}

/** What of a piece is between two pages. */
export function cut(piece: Piece, page: number, end: number): Piece {
  const first = Math.max(page, piece.page);
  return {
    page: first,
    count: Math.min(end, piece.page + piece.count) - first,
    path: piece.path,
    offset: piece.offset + (first - piece.page) * PAGE_SIZE,
  };
}

/** Names in a set do not lead out of it, and what a pagemap says is there has to be. */
export function checkPages(path: string, needed: number): void {
  const file = attempt('read', path, () => lstatSync(path));
  if (!file.isFile()) throw imageError('E_IMAGE_CORRUPT', path, 'it is no regular file');
  if (file.size >= needed) return;
  const message = `${path}: the file ends ${needed - file.size} bytes too early`;
  throw new CkptError('E_IMAGE_TORN', message, { path: realpathSync(path) });
}
