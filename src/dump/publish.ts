/**
 * Moves a complete set from where it was made into the images folder. A checkpoint is there only
 * while inventory.img is: an older one loses it first, the new one gets it last.
 */

import {
  type Dirent,
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { attempt } from '../images/file.js';
import { CHANGED_SINCE, PARENT } from '../images/links.js';
import { fileName, parseName } from '../images/names.js';

const INVENTORY = fileName('INVENTORY');

/** The set `names` of `staging` replaces what `images` holds. Throws CkptError E_WRITE, and leaves none. */
export function publish(staging: string, images: string, names: string[]): void {
  attempt('replace', images, () => removeSet(images));
  try {
    for (const name of names.filter((other) => other !== INVENTORY)) move(name);
    syncFolder(images);
    move(INVENTORY);
    syncFolder(images);
  } catch (error) {
    retract(images, names);
    throw error;
  }

  function move(name: string): void {
    attempt('write', join(images, name), () => renameSync(join(staging, name), join(images, name)));
  }
}

/** Takes a set out of the images folder again. */
export function retract(images: string, names: string[]): void {
  for (const name of [INVENTORY, ...names]) rmSync(join(images, name), { force: true });
}

/** An older checkpoint, or what a killed dump left of one: images, and the link to the set before it. */
function removeSet(images: string): void {
  const old = readdirSync(images, { withFileTypes: true })
    .filter((entry) => (entry.isFile() ? isImage(entry.name) : isParentLink(entry)))
    .map(({ name }) => name);
  if (old.includes(INVENTORY)) retract(images, []);
  for (const name of old) rmSync(join(images, name), { force: true });
}

function isParentLink(entry: Dirent): boolean {
  return [PARENT, CHANGED_SINCE].includes(entry.name) && entry.isSymbolicLink();
}

function isImage(name: string): boolean {
  return name.endsWith('.img') && parseName(name) !== undefined;
}

/** Makes durable which files there are in a folder. */
export function syncFolder(path: string): void {
  attempt('write', path, () => {
    const fd = openSync(path, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  });
}
