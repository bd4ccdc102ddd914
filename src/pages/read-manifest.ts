/** What pages a set lists, and which of them no restore can take late. */

import { lstatSync, readlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CkptError } from '../errors.js';
import { CHANGED_SINCE } from '../images/links.js';
import { type Owner, PE_LAZY } from '../images/pagemap.js';
import { imageError } from '../images/read.js';
import { findSet, isPreDump, listOwners, readInventory } from './folder.js';
import type { Manifest, ManifestOwner, ManifestRange } from './manifest.js';
import { blankOf, canBeLate, MappingCursor, readMappings } from './mappings.js';
import { ownerText, pagemapName } from './owner.js';
import { MAX_PAGES, type PagemapRun, readPagemap } from './pagemap.js';

/**
 * Reads the manifest of the set in `dir`, by ckpt or by criu of either generation. Pages that are
 * left to a parent set are listed with that flag; those of a set of what has changed are nowhere in
 * it, and told as `unchanged`. Tasks without pages of their own (zombies, those
 * that share another's memory) do not occur. About 120 bytes of memory for each range.
 * Throws CkptError E_IMAGES_DIR where there is no checkpoint, or a pre-dump; E_IMAGE_MAGIC, E_IMAGE_TORN,
 * E_IMAGE_CORRUPT or E_READ, naming the image, where it is damaged.
 */
export async function readManifest(dir: string): Promise<Manifest> {
  const root = await findSet(dir);
  if (isPreDump(await readInventory(root))) throw memoryAlone(root);
  const changedSince = readLink(root);
  const manifest: Manifest = { dir: root, owners: [], pages: 0, ...changedSince };
  for (const owner of listOwners(root)) {
    const listed = await readOwner(manifest, owner);
    manifest.owners.push(listed);
    const last = listed.ranges.at(-1);
    if (last) manifest.pages = last.at + last.count;
    if (manifest.pages > MAX_PAGES) throw tooMany(root, manifest.pages);
  }
  return manifest;
}

/** The link of a set of what has changed. */
function readLink(root: string): { changedSince?: string } {
  const link = join(root, CHANGED_SINCE);
  if (!lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink()) return {};
  return { changedSince: resolve(root, readlinkSync(link)) };
}

/** The pages of one owner, which lie behind those that were read before. */
async function readOwner(set: Manifest, owner: Owner): Promise<ManifestOwner> {
  const { dir: root, changedSince } = set;
  let at = set.pages;
  const ranges: ManifestRange[] = [];
  const take = (run: PagemapRun, eager: boolean): void => {
    const isOlder = changedSince !== undefined && run.flags !== PE_LAZY;
    const taken = isOlder ? { flags: PE_LAZY, unchanged: true } : { flags: run.flags };
    append(ranges, { ...run, ...taken, eager, at });
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
function append(ranges: ManifestRange[], range: ManifestRange): void {
  const last = ranges.at(-1);
  const isNext = last && last.page + last.count === range.page;
  if (isNext && isAlike(last, range)) last.count += range.count;
  else ranges.push(range);
}

function isAlike(a: ManifestRange, b: ManifestRange): boolean {
  return a.flags === b.flags && a.eager === b.eager && a.unchanged === b.unchanged;
}

function nowhere(root: string, owner: Owner, page: number): CkptError {
  const address = `0x${(BigInt(page) << 12n).toString(16)}`;
  const reason = `page ${address} of ${ownerText(owner)} is in none of its mappings`;
  return imageError('E_IMAGE_CORRUPT', join(root, pagemapName(owner)), reason);
}

function memoryAlone(root: string): CkptError {
  const message = `${root} is a pre-dump: memory alone, for a later dump to build on`;
  return new CkptError('E_IMAGES_DIR', message, { path: root });
}

function tooMany(root: string, pages: number): CkptError {
  const message = `${root}: ${pages} pages are more than there can be`;
  return new CkptError('E_IMAGE_CORRUPT', message, { path: root });
}
