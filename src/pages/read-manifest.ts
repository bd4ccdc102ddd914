/** What pages a set lists, and which of them no restore can take late. */

import { join } from 'node:path';
import { CkptError } from '../errors.js';
import type { Owner } from '../images/pagemap.js';
import { imageError } from '../images/read.js';
import { findSet, listOwners } from './folder.js';
import type { Manifest, ManifestOwner, ManifestRange } from './manifest.js';
import { blankOf, canBeLate, MappingCursor, readMappings } from './mappings.js';
import { ownerText, pagemapName } from './owner.js';
import { MAX_PAGES, type PagemapRun, readPagemap } from './pagemap.js';

/**
 * Reads the manifest of the set in `dir`, by ckpt or by criu of either generation. Pages that are
 * left to a parent set are listed with that flag. Tasks without pages of their own (zombies, those
 * that share another's memory) do not occur. About 120 bytes of memory for each range.
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
  const ranges: ManifestRange[] = [];
  const take = (run: PagemapRun, eager: boolean): void => {
    append(ranges, run, eager, at);
    at += run.count;
  };
  if ('shmem' in owner) {
    await readPagemap(root, owner, (run) => take(run, true)); // a restore fills segments early
    return { owner, ranges };
  }
  const mappings = await readMappings(root, owner.pid);
  const cursor = new MappingCursor(mappings);
  await readPagemap(root, owner, ({ page, count, flags }) => {
    const end = page + count;
    while (page < end) {
      const mapping = cursor.at(page);
      if (!mapping) throw nowhere(root, owner, page);
      const part = Math.min(end, mapping.page + mapping.count) - page;
      take({ page, count: part, flags }, !canBeLate(mapping));
      page += part;
    }
  });
  return { owner, ranges, blank: blankOf(mappings) };
}

/** Joins what is alike: how a writer split it says nothing. */
function append(ranges: ManifestRange[], run: PagemapRun, eager: boolean, at: number): void {
  const last = ranges.at(-1);
  const isNext = last && last.page + last.count === run.page;
  if (isNext && last.flags === run.flags && last.eager === eager) last.count += run.count;
  else ranges.push({ page: run.page, count: run.count, flags: run.flags, eager, at });
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
