/** The folder of an image set, which anybody may have filled: what in it is a checkpoint's. */

import { type Dirent, existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CkptError } from '../errors.js';
import { attempt } from '../images/file.js';
import type { inventory_entry } from '../images/gen/inventory.js';
import { fileName } from '../images/names.js';
import type { Owner } from '../images/pagemap.js';
import { imageError, ImageReader } from '../images/read.js';
import { compareOwners, ownerOf } from './owner.js';

/** Versions of the format that there are; pre-dumps by criu up to 4.2 have none. */
const VERSIONS = [1, 2];

/**
 * The absolute path of a set, without symlinks.
 * Throws CkptError E_IMAGES_DIR where there is no checkpoint: no folder, no inventory.img.
 */
export async function findSet(dir: string): Promise<string> {
  const path = folder(dir);
  await readInventory(path);
  return path;
}

/** What the inventory of the set in `dir` says. Throws CkptError as findSet does. */
export async function readInventory(dir: string): Promise<inventory_entry> {
  const path = join(dir, fileName('INVENTORY'));
  if (!existsSync(path)) throw noSet(dir, `it has no ${fileName('INVENTORY')}`);
  const reader = await ImageReader.open(path, 'INVENTORY');
  try {
    for await (const { value } of reader) {
      if (VERSIONS.includes(value.img_version) || isPreDump(value)) return value;
      const reason = `version ${value.img_version} of the format is not known`;
      throw imageError('E_IMAGE_CORRUPT', path, reason);
    }
    throw imageError('E_IMAGE_TORN', path, 'it is empty');
  } finally {
    await reader.close();
  }
}

/** Whether a set holds memory alone: it can be a parent, but nothing can be restored from it. */
export function isPreDump({ pre_dump_mode }: inventory_entry): boolean {
  return pre_dump_mode !== undefined;
}

/** Whose pages a set lists: address spaces by pid, then segments by id. */
export function listOwners(dir: string): Owner[] {
  const files = attempt('read', dir, () => readdirSync(dir, { withFileTypes: true }));
  return files.flatMap((file) => listedBy(dir, file) ?? []).sort(compareOwners);
}

function listedBy(dir: string, file: Dirent): Owner | undefined {
  const owner = ownerOf(file.name);
  if (!owner || file.isFile()) return owner;
  throw imageError('E_IMAGE_CORRUPT', join(dir, file.name), 'it is no regular file');
}

function folder(dir: string): string {
  const path = attemptFolder(dir);
  if (!statSync(path).isDirectory()) throw noSet(dir, 'it is no folder');
  return path;
}

function attemptFolder(dir: string): string {
  try {
    return realpathSync(dir);
  } catch (error) {
    throw noSet(
      dir,
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'it is not there' : `${error}`,
    );
  }
}

function noSet(dir: string, reason: string): CkptError {
  return new CkptError('E_IMAGES_DIR', `${dir} is no checkpoint: ${reason}`, { path: dir });
}
