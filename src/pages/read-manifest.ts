/** What pages a set lists, and which of them no restore can take late. */

import { join } from 'node:path';
import { CkptError } from '../errors.js';
import type { Owner } from '../images/pagemap.js';
import { imageError } from '../images/read.js';
import { findSet, listOwners } from './folder.js';
import type { Manifest, ManifestOwner, ManifestRange } from './manifest.js';
import { canBeLate, type Mapping, readMappings } from './mappings.js';
import { ownerText, pagemapName } from './owner.js';
import { MAX_PAGES, type PagemapRun, readPagemap } from './pagemap.js';

/**
 * Reads the manifest of the set in `dir`, by ckpt or by criu of either generation. Pages that are
 * left to a parent set are listed with that flag. Tasks without pages of their own (zombies, those
 * that share another's memory) do not occur. About 90 bytes of memory for each range.
 * Throws CkptError E_IMAGES_DIR where there is no checkpoint; E_IMAGE_MAGIC, E_IMAGE_TORN,
 * E_IMAGE_CORRUPT or E_READ, naming the image, where it is damaged.
 */
export async function readManifest(dir: string): Promise<Manifest> {
  const root = await findSet(dir);
  const manifest: Manifest = { dir: root, owners: [], pages: 0 };
  for (const owner of listOwners(root)) {
    const listed = await readOwner(root, owner, manifest.pages);
    manifest.owners.push(listed);
    const last = listed.ranges.at(-1);
    if (last) manifest.pages = last.at + last.count;
    if (manifest.pages > MAX_PAGES) throw tooMany(root, manifest.pages);
  }
  return manifest;
}

/** The pages of one owner, whose first lies at `at`. */
async function readOwner(root: string, owner: Owner, at: number): Promise<ManifestOwner> {
  const sorter = 'pid' in owner ? new Sorter(await readMappings(root, owner.pid)) : SEGMENT;
  const ranges: ManifestRange[] = [];
  await readPagemap(root, owner, ({ page, count, flags }) => {
    const end = page + count;
    while (page < end) {
      const part = sorter.sort(page, end);
      if (!part) throw nowhere(root, owner, page);
      append(ranges, { page, count: part.end - page, flags }, part.eager, at);
      at += part.end - page;
      page = part.end;
    }
  });
  return { owner, ranges };
}

/** Joins what is alike: how a writer split it says nothing. */
function append(ranges: ManifestRange[], run: PagemapRun, eager: boolean, at: number): void {
  const last = ranges.at(-1);
  const isNext = last && last.page + last.count === run.page;
  if (isNext && last.flags === run.flags && last.eager === eager) last.count += run.count;
  else ranges.push({ page: run.page, count: run.count, flags: run.flags, eager, at });
}

interface Part {
  end: number;
  eager: boolean;
}

/** All of shared memory has to be in the images. */
const SEGMENT = { sort: (_page: number, end: number): Part => ({ end, eager: true }) };

/** Sorts pages that ascend by the mappings they are in. */
class Sorter {
  #at = 0;

  constructor(private readonly mappings: readonly Mapping[]) {}

  /** How far the pages from `page` to `end` are in one mapping, and of which kind; none if in none. */
  sort(page: number, end: number): Part | undefined {
    const { mappings } = this;
    while (this.#at < mappings.length && endOf(mappings[this.#at]!) <= page) this.#at++;
    const mapping = mappings[this.#at];
    if (!mapping || mapping.page > page) return undefined;
    return { end: Math.min(end, endOf(mapping)), eager: !canBeLate(mapping) };
  }
}

function endOf({ page, count }: Mapping): number {
  return page + count;
}

function nowhere(root: string, owner: Owner, page: number): CkptError {
  const address = `0x${(BigInt(page) << 12n).toString(16)}`;
  const reason = `page ${address} of ${ownerText(owner)} is in none of its mappings`;
  return imageError('E_IMAGE_CORRUPT', join(root, pagemapName(owner)), reason);
}

function tooMany(root: string, pages: number): CkptError {
  const message = `${root}: ${pages} pages are more than there can be`;
  return new CkptError('E_IMAGE_CORRUPT', message, { path: root });
}
