/**
 * Writes the images of files: descriptor tables, files, and what is in them.
 *
 * An image that would be empty is not made; a restore takes a missing one for an empty one.
 */

import type { ImageSet } from '../../images/set.js';
import type { Entry } from '../entry.js';
import type { Facts } from '../facts.js';
import type { Files } from '../files/index.js';
import { developLocks } from '../files/locks.js';
import { developTable } from '../files/table.js';
import type { DevelopOptions } from '../options.js';
import { writeGhost } from './ghost.js';
import { writeImage, writeQueue } from './image.js';

export interface AllFiles {
  facts: Facts;
  files: Files;
  ids: ReadonlyMap<number, Entry<'task_kobj_ids_entry'>>;
}

export function writeFiles(images: ImageSet, all: AllFiles, options: DevelopOptions): void {
  const { facts, files } = all;
  const locks = developLocks(facts, options);
  writeTables(images, all);
  writeImage(images.create('FILES'), files.entries);
  for (const ghost of files.ghosts.all) writeGhost(images, ghost);
  const remaps = [...files.ghosts.remaps, ...files.procfs.remaps];
  if (remaps.length > 0) writeImage(images.create('REMAP_FPATH'), remaps);
  const memfds = files.memfds.all;
  if (memfds.length > 0) writeImage(images.create('MEMFD_INODE'), memfds);
  if (files.ttys.size > 0) writeImage(images.create('TTY_INFO'), files.ttys.values());
  if (files.pipeData.length > 0) writeQueue(images.create('PIPES_DATA'), files.pipeData);
  if (files.fifoData.length > 0) writeQueue(images.create('FIFO_DATA'), files.fifoData);
  if (files.queues.length > 0) writeQueue(images.create('SK_QUEUES'), files.queues);
  for (const { ino, entry } of files.streams) writeQueue(images.create('TCP_STREAM', ino), [entry]);
  if (locks.length > 0) writeImage(images.create('FILE_LOCKS'), locks);
}

/** One image a table, under the id that its tasks have in common. */
function writeTables(images: ImageSet, { facts, files, ids }: AllFiles): void {
  const { types } = files;
  for (const [pid, table] of facts.tables) {
    const { files_id } = ids.get(pid)!;
    writeImage(images.create('FDINFO', files_id), developTable(table, types));
  }
}
