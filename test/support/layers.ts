// The pages of an image set and of its parents, as a restore finds them: a page that an image leaves to
// its parent is looked for there.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ImageReader } from '../../src/images/read.js';
import {
  firstAfter,
  mergeNeighbours,
  PAGE,
  PageReader,
  PE_PARENT,
  PE_PRESENT,
  type Pagemap,
  type Run,
} from './pages.js';

/** A stretch of pages whose bytes lie in one image. */
export interface Piece {
  reader: PageReader;
  vaddr: number;
  pages: number;
}

interface Layer {
  dir: string;
  runs: Run[];
  reader: PageReader;
}

const MOST = 256;
const endOf = ({ vaddr, pages }: { vaddr: number; pages: number }): number => vaddr + pages * PAGE;

/** Reads a pagemap by ckpt's own reader: crit, which the tests of formats use, takes a second for it. */
async function readPagemap(dir: string, name: string): Promise<Pagemap> {
  const image = await ImageReader.open(join(dir, name));
  const map: Pagemap = { name, pagesId: 0, runs: [] };
  try {
    for await (const { message, value } of image) {
      if (message === 'pagemap_head') map.pagesId = value.pages_id;
      if (message !== 'pagemap_entry') continue;
      const pages = Number(value.nr_pages ?? 0) || value.compat_nr_pages;
      map.runs.push({ vaddr: Number(value.vaddr), pages, flags: value.flags ?? 0 });
    }
  } finally {
    await image.close();
  }
  return { ...map, runs: mergeNeighbours(map.runs) };
}

export class Layers {
  private constructor(private readonly layers: Layer[]) {}

  /** Opens a pagemap, if it is there, and those of the same name in the set's parents. */
  static async open(images: string, name: string): Promise<Layers> {
    const layers: Layer[] = [];
    for (let dir = images; existsSync(join(dir, name)); dir = join(dir, 'parent')) {
      const map = await readPagemap(dir, name);
      layers.push({ dir, runs: map.runs, reader: await PageReader.open(dir, map) });
    }
    return new Layers(layers);
  }

  /** What the set itself lists. */
  get runs(): Run[] {
    return this.layers[0]?.runs ?? [];
  }

  /** How many layers there are: 1 for a set without a parent. */
  get depth(): number {
    return this.layers.length;
  }

  isListed(vaddr: number): boolean {
    const run = this.runs[firstAfter(this.runs, (run) => run, vaddr)];
    return run !== undefined && run.vaddr <= vaddr;
  }

  /** What the set lists of a range, in pieces of at most 1 MiB; throws at a page that no image holds. */
  *pieces(from = 0, to = Infinity): Generator<Piece> {
    for (const run of this.runs) {
      const [start, end] = [Math.max(run.vaddr, from), Math.min(endOf(run), to)];
      if (start >= end) continue;
      yield* this.piecesOf({ vaddr: start, pages: (end - start) / PAGE, flags: run.flags }, 0);
    }
  }

  private *piecesOf(run: Run, depth: number): Generator<Piece> {
    const { dir, reader } = this.layers[depth]!;
    if (run.flags & PE_PRESENT) {
      for (let done = 0; done < run.pages; done += MOST) {
        const pages = Math.min(MOST, run.pages - done);
        yield { reader, vaddr: run.vaddr + done * PAGE, pages };
      }
    } else if (run.flags & PE_PARENT) {
      yield* this.inParent(run, depth + 1);
    } else {
      throw new Error(`${dir}: page ${run.vaddr.toString(16)} is nowhere: flags ${run.flags}`);
    }
  }

  private *inParent(wanted: Run, depth: number): Generator<Piece> {
    const runs = this.layers[depth]?.runs ?? [];
    let at = wanted.vaddr;
    for (let n = firstAfter(runs, (run) => run, at); at < endOf(wanted); n++) {
      const run = runs[n];
      if (!run || run.vaddr > at) throw new Error(`page ${at.toString(16)}: not in layer ${depth}`);
      const end = Math.min(endOf(run), endOf(wanted));
      yield* this.piecesOf({ vaddr: at, pages: (end - at) / PAGE, flags: run.flags }, depth);
      at = end;
    }
  }

  async close(): Promise<void> {
    for (const { reader } of this.layers) await reader.close();
  }
}
