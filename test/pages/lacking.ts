// A set that lacks pages, a source that has them, and what may come of bringing them together.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import { fill } from '../../src/pages/fill/fill.js';
import type { FillOptions } from '../../src/pages/fill/options.js';
import { ImagesSource } from '../../src/pages/images.js';
import { readManifest } from '../../src/pages/read-manifest.js';
import type { PageRun, PageSource } from '../../src/pages/source.js';
import { anonymous, MadeSet, PAGE } from './made-set.js';

const [LAZY, PRESENT] = [2, 4];
/** Pages of process 9 that can be late, from page 100 on; there are more than are asked for at once. */
export const MANY = 700;

/** Every byte of a page is the low byte of the page's number. */
export class Counting implements PageSource {
  readonly name = 'a program';
  asked = 0;

  constructor(private readonly before: (run: PageRun, asked: number) => void = () => {}) {}

  async read(run: PageRun): Promise<Uint8Array> {
    this.before(run, ++this.asked);
    return Buffer.concat(
      Array.from({ length: run.count }, (_, i) => Buffer.alloc(PAGE, run.page + i)),
    );
  }
}

/** A set that lacks pages: some can be late, some cannot, some of another process it has. */
export function lacking(dir: string): string {
  const locked = anonymous(40, 5, { flags: 0x2022 });
  new MadeSet(dir)
    .inventory()
    .mappings(9, [locked, anonymous(100, MANY)])
    .mappings(12, [anonymous(8, 8)])
    .pagemap('pagemap-9.img', [
      [41, 3, LAZY],
      [100, MANY, LAZY],
    ])
    .pagemap(
      'pagemap-12.img',
      [
        [8, 2, PRESENT | LAZY],
        [10, 1, LAZY],
      ],
      { pagesId: 1 },
    )
    .pages(1, [0xa8, 0xa9])
    .pagemap('pagemap-shmem-5.img', [[2, 2, LAZY]]);
  return dir;
}

/** Everything in a folder. */
export function contentOf(dir: string): Record<string, string> {
  const names = readdirSync(dir).sort();
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(dir, name), 'base64')]));
}

export async function failure(options: FillOptions): Promise<CkptError> {
  try {
    await fill(options);
  } catch (error) {
    if (error instanceof CkptError) return error;
    throw error;
  }
  throw new Error('it was filled');
}

/** The first byte of each page that a set lists; the set has to be full. */
export async function firstBytes(dir: string): Promise<number[]> {
  const set = await readManifest(dir);
  const source = new ImagesSource(dir);
  await source.open(set);
  const bytes: number[] = [];
  for (const { owner, ranges } of set.owners) {
    for (const { page, count, flags, eager } of ranges) {
      assert.is(flags, eager ? PRESENT : PRESENT | LAZY);
      const data = await source.read({ owner, page, count });
      for (let i = 0; i < count; i++) bytes.push(data[i * PAGE]!);
    }
  }
  await source.close();
  return bytes;
}

const range = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => (from + i) & 255);
/** What firstBytes finds in the filled set. */
export const filled = [...range(41, 3), ...range(100, MANY), 0xa8, 0xa9, 10, 2, 3];
