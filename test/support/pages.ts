// An image set's pagemaps as CRIU's own crit reads them, and the bytes of the pages they list.
import { execa } from 'execa';
import { existsSync, readdirSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { oracleProgram } from './paths.js';

export const PAGE = 4096;

/** Flags of a pagemap entry. */
export const PE_PARENT = 1;
export const PE_LAZY = 2;
export const PE_PRESENT = 4;

/** Pages in a row that have the same flags. */
export interface Run {
  /** Address, or offset in the segment of shared memory. */
  vaddr: number;
  pages: number;
  flags: number;
}

export interface Pagemap {
  /** `pagemap-PID.img` or `pagemap-shmem-ID.img`. */
  name: string;
  pagesId: number;
  /** Ascending; neighbours with equal flags are one run. */
  runs: Run[];
  /** What of it is compared with another list, if not all: see zeros.ts. */
  listed?: Run[];
}

interface Decoded {
  entries: Record<string, number>[];
}

/** Joins runs that touch and have the same flags: how a writer splits them says nothing. */
export function mergeNeighbours(runs: Iterable<Run>): Run[] {
  const merged: Run[] = [];
  for (const run of runs) {
    const last = merged.at(-1);
    if (last && last.flags === run.flags && last.vaddr + last.pages * PAGE === run.vaddr) {
      last.pages += run.pages;
    } else {
      merged.push({ ...run });
    }
  }
  return merged;
}

/** Images of both generations: the number of pages is in field 5, or in field 2. */
const pagesOf = (entry: Record<string, number>): number =>
  entry.nr_pages || entry.compat_nr_pages || 0;

/** Reads one pagemap image with crit. */
export async function readPagemap(images: string, name: string): Promise<Pagemap> {
  const decode = ['decode', '-i', join(images, name)];
  const { stdout } = await execa(oracleProgram('4.2.1', 'crit'), decode, {
    maxBuffer: 2 ** 30,
  });
  const [head, ...entries] = (JSON.parse(stdout) as Decoded).entries;
  const runs = entries.map((entry) => ({
    vaddr: entry.vaddr ?? 0,
    pages: pagesOf(entry),
    flags: entry.flags ?? 0,
  }));
  return { name, pagesId: head?.pages_id ?? 0, runs: mergeNeighbours(runs) };
}

/** The pagemaps of an image set, in the order of their names. */
export interface ImageSet {
  dir: string;
  pagemaps: Pagemap[];
}

/** Reads all pagemaps of an image set. crit takes a moment for each. */
export async function readSet(dir: string): Promise<ImageSet> {
  const names = readdirSync(dir).filter((name) => /^pagemap-.*\.img$/.test(name));
  const pagemaps: Pagemap[] = [];
  for (const name of names.sort()) pagemaps.push(await readPagemap(dir, name));
  return { dir, pagemaps };
}

/** Index of the first of ascending places whose run ends after `vaddr`; their number where none does. */
export function firstAfter<T>(places: T[], runOf: (place: T) => Run, vaddr: number): number {
  let [low, high] = [0, places.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const run = runOf(places[middle]!);
    if (run.vaddr + run.pages * PAGE > vaddr) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The pages of one pagemap. */
export class PageReader {
  private constructor(
    private readonly file: FileHandle | undefined,
    /** The runs whose bytes are there, each with its place in the file. */
    private readonly places: { run: Run; offset: number }[],
  ) {}

  /** Opens the pages of a pagemap; a set without pages has none to read. */
  static async open(images: string, { pagesId, runs }: Pagemap): Promise<PageReader> {
    const path = join(images, `pages-${pagesId}.img`);
    let offset = 0;
    const places = runs
      .filter(({ flags }) => flags & PE_PRESENT)
      .map((run) => {
        const place = { run, offset };
        offset += run.pages * PAGE;
        return place;
      });
    return new PageReader(existsSync(path) ? await open(path) : undefined, places);
  }

  /** The bytes of up to `pages` pages at `vaddr`, which have to lie in one run. */
  async read(vaddr: number, pages: number): Promise<Buffer> {
    const place = this.places[firstAfter(this.places, ({ run }) => run, vaddr)];
    if (!place || vaddr < place.run.vaddr || !this.file)
      throw new Error(`no bytes of page ${vaddr.toString(16)}`);
    const bytes = Buffer.alloc(pages * PAGE);
    const position = place.offset + (vaddr - place.run.vaddr);
    const { bytesRead } = await this.file.read(bytes, 0, bytes.length, position);
    if (bytesRead !== bytes.length) {
      throw new Error(`page ${vaddr.toString(16)}: the file of pages ends before it`);
    }
    return bytes;
  }

  async close(): Promise<void> {
    await this.file?.close();
  }
}
