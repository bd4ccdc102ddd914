/** Writes a set's pagemaps anew, each with a pages image that holds what a plan says. */

import { join } from 'node:path';
import { fileName } from '../../images/names.js';
import { PAGE_SIZE, PagemapWriter, PE_LAZY, PE_PRESENT } from '../../images/pagemap.js';
import { ImageWriter } from '../../images/write.js';
import type { Manifest, ManifestOwner, ManifestRange } from '../manifest.js';
import { pagemapName } from '../owner.js';
import type { PageSource } from '../source.js';
import { cutRun, readPieces } from './copy.js';

/** Where the pages of a range come from; undefined: they are only listed, as pages to come late. */
export type Plan = (range: ManifestRange) => PageSource | undefined;

export interface Rewriting {
  set: Manifest;
  plan: Plan;
  /** The folder for the files. */
  dir: string;
  /** Numbers for pages images; without, there are none, and no range has a source. */
  ids?: Iterator<number, never>;
  /** Hears of each batch of pages. */
  tell: (pages: number) => void;
  signal?: AbortSignal | undefined;
}

/** Writes them; gives the names of the files made. */
export async function rewrite(rewriting: Rewriting): Promise<string[]> {
  const names: string[] = [];
  for (const listed of rewriting.set.owners) {
    const id = rewriting.ids?.next().value ?? 0;
    writePagemap(rewriting, listed, id);
    names.push(pagemapName(listed.owner));
    if (!rewriting.ids) continue;
    await writePages(rewriting, listed, id);
    names.push(fileName('PAGES', id));
  }
  return names;
}

/** Entries as a full dump has them: what is there is present, what can be late says so too. */
function writePagemap({ dir, plan }: Rewriting, listed: ManifestOwner, id: number): void {
  const { owner, ranges } = listed;
  const image = new ImageWriter('PAGEMAP', join(dir, pagemapName(owner)));
  try {
    const writer = new PagemapWriter(image, id);
    for (const range of ranges) {
      const present = plan(range) ? PE_PRESENT : PE_LAZY;
      writer.add(addressOf(range.page), range.count, present | (range.eager ? 0 : PE_LAZY));
    }
    image.close();
  } finally {
    image.abandon();
  }
}

async function writePages(rewriting: Rewriting, listed: ManifestOwner, id: number): Promise<void> {
  const { dir, plan, tell, signal } = rewriting;
  const image = new ImageWriter('PAGES', join(dir, fileName('PAGES', id)));
  try {
    for await (const bytes of readPieces(piecesOf(listed, plan), signal)) {
      image.addRaw(bytes);
      tell(bytes.length / PAGE_SIZE);
    }
    image.close();
  } finally {
    image.abandon();
  }
}

/** What has to be read of an owner, in order. */
export function* piecesOf({ owner, ranges }: ManifestOwner, plan: Plan) {
  for (const range of ranges) {
    const source = plan(range);
    if (source) yield* cutRun(source, { owner, page: range.page, count: range.count });
  }
}

/** Bytes, exact for every address. */
function addressOf(page: number): number | bigint {
  const bytes = page * PAGE_SIZE;
  return Number.isSafeInteger(bytes) ? bytes : BigInt(page) * BigInt(PAGE_SIZE);
}
