/**
 * Files that a restore opens by their names: regular files, folders, devices of memory.
 */

import { lstatSync } from 'node:fs';
import { fd_types } from '../../images/gen/fdinfo.js';
import type { FileFrame } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';
import { type Place, refuse } from '../refuse.js';
import { developOwner } from './fown.js';

const O_ACCMODE = 0o3;
const O_WRONLY = 0o1;
const O_APPEND = 0o2000;

/** Type bits of a mode (inode(7)). */
export const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

/** Major number of /dev/null, /dev/zero, /dev/urandom and their like. */
const MEM_MAJOR = 1;

/** What the kernel puts behind the name of a file that has none any more. */
const DELETED = ' (deleted)';

/** Opened by name, under the id `id` (a fifo or a terminal is opened by a file of its own). */
export function developRegular(file: FileFrame, id: number = file.id): Entry<'file_entry'> {
  const { description, flags, pos, mode, size } = file;
  return {
    type: fd_types.REG,
    id,
    reg: {
      id,
      flags: description ? flags : 0,
      pos: description ? pos : 0,
      fown: developOwner(file.fown),
      name: nameOf(file),
      mode,
      size: hasFixedSize(file) ? size : undefined,
    },
  };
}

/** Without the mark of a deleted file. */
export function nameOf({ link, nlink }: Pick<FileFrame, 'link' | 'nlink'>): string {
  return nlink === 0 && link.endsWith(DELETED) ? link.slice(0, -DELETED.length) : link;
}

/** Its names are all gone, and its content with it: a restore makes it anew. */
export function isDeleted({ nlink }: FileFrame): boolean {
  return nlink === 0;
}

/** A restore compares sizes, but a log may have grown since. */
function hasFixedSize({ mode, flags, description }: FileFrame): boolean {
  const isLog = description && (flags & O_ACCMODE) === O_WRONLY && (flags & O_APPEND) !== 0;
  return (mode & S_IFMT) === S_IFREG && !isLog;
}

/** Whether its name leads to it. */
export function hasName(file: FileFrame): boolean {
  return file.path_ok ?? leadsThere(file);
}

/** Refuses a file that could not be opened again by the name it has. */
export function refuseUnnamed(file: FileFrame, place: Place): void {
  if (!file.link.startsWith('/')) refuse(place, 'a kind of file that ckpt does not dump yet');
  if (isDeleted(file) || hasName(file)) return;
  refuse(place, 'its name was removed, but it has another one, or its name leads to another file');
}

/** What was opened before a chroot(2) has a name only from our own root, from which a restore opens it. */
function leadsThere({ link, dev, ino }: FileFrame): boolean {
  try {
    const found = lstatSync(link, { bigint: true });
    return found.dev === BigInt(dev) && found.ino === BigInt(ino);
  } catch {
    return false;
  }
}

/** Refuses devices but those that have no state. */
export function refuseDevice(file: FileFrame, place: Place): void {
  const { major, minor } = numbersOf(file.rdev);
  if (file.kind === 'char' && major === MEM_MAJOR) return;
  refuse(place, `a device (${file.kind === 'block' ? 'block' : 'character'} ${major}:${minor})`);
}

/** A device's number as the kernel keeps it to itself (MKDEV): 20 bits for the minor one. */
export function kernelDev(dev: number): number {
  const { major, minor } = numbersOf(dev);
  return ((major << 20) | minor) >>> 0;
}

/** Major and minor number, as the kernel encodes them for user space (new_encode_dev). */
export function numbersOf(dev: number): { major: number; minor: number } {
  return { major: (dev & 0xfff00) >>> 8, minor: (dev & 0xff) | ((dev >>> 12) & 0xfff00) };
}
