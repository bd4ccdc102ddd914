/**
 * An image set in the making: all or nothing.
 *
 * Every file is made anew in a folder that holds no images yet, and remembered, so that a dump
 * that fails removes what it wrote and nothing else. inventory.img makes the set a checkpoint: it
 * comes last, by rename, when all the rest is on the disk.
 */

import {
  constants,
  accessSync,
  closeSync,
  fsync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CkptError } from '../errors.js';
import { attempt, fileError } from './file.js';
import type { inventory_entry } from './gen/inventory.js';
import type { Kind } from './kinds.js';
import type { ParentLink } from './links.js';
import { type IdOf, fileName, parseName } from './names.js';
import type { Input } from './types.js';
import { ImageWriter } from './write.js';

/** How many files are made durable at a time: they share the file system's commits. */
const SYNC_AT_ONCE = 16;

/** Which file it is, so that another one of the same name is left alone. */
interface Made {
  dev: number;
  ino: number;
}

export interface ImageFile {
  name: string;
  /** Bytes. */
  size: number;
}

export class ImageSet {
  #made = new Map<string, Made>();
  #link: ParentLink | undefined;
  #writers = new Set<Pick<ImageWriter<Kind>, 'close' | 'abandon'>>();
  #before: ReadonlySet<string>;

  /**
   * Begins a set in the folder `dir`.
   * Throws CkptError E_IMAGES_DIR where it is none or cannot be written, E_IMAGES_EXIST where it
   * holds images already. `sync: false` leaves it to the system when the files reach the disk.
   * `isOwn`: the folder was made for this set, and all that comes to be in it belongs to it; it is
   * not looked at, for the helper may have begun to write.
   */
  constructor(
    readonly dir: string,
    readonly options: { sync?: boolean; isOwn?: boolean } = {},
  ) {
    this.#before = new Set(options.isOwn ? [] : readFolder(dir));
    const image = [...this.#before].find(isImage);
    if (image) {
      const message = `${dir} holds images already (${image}): give an empty folder`;
      throw new CkptError('E_IMAGES_EXIST', message, { path: dir });
    }
  }

  /** Makes an image of the set, for instance `create('CORE', tid)`. */
  create<K extends Kind>(kind: K, ...id: IdOf<K>): ImageWriter<K> {
    return this.#create(kind, fileName(kind, ...id));
  }

  /** Names the set before this one: a symlink, which is no file of the set's but goes where it goes. */
  link(name: ParentLink, target: string): void {
    attempt('make', this.path(name), () => symlinkSync(target, this.path(name)));
    this.#link = name;
  }

  /** The names of all that makes up the set, the link to the one before it too. */
  names(): string[] {
    return [...this.#made.keys(), ...(this.#link ? [this.#link] : [])];
  }

  /**
   * Takes in files that the helper made in the folder: those that were not there at the
   * beginning and whose names pass `isOurs`. They are removed or made durable with the set.
   */
  adopt(isOurs: (name: string) => boolean): void {
    for (const name of readFolder(this.dir)) {
      if (this.#before.has(name) || this.#made.has(name) || !isOurs(name)) continue;
      const file = attempt('read', this.path(name), () => lstatSync(this.path(name)));
      if (file.isFile()) this.#made.set(name, file);
    }
  }

  /** Where the file `name` of the set is. */
  path(name: string): string {
    return join(this.dir, name);
  }

  /** The files of the set so far, in the order they were made. */
  files(): ImageFile[] {
    return [...this.#made.keys()].map((name) => ({
      name,
      size: attempt('read', this.path(name), () => lstatSync(this.path(name)).size),
    }));
  }

  /** Removes one file of the set, such as one that was adopted only for its content. */
  remove(name: string): void {
    const made = this.#made.get(name);
    if (made && isStill(this.path(name), made)) {
      attempt('remove', this.path(name), () => unlinkSync(this.path(name)));
    }
    this.#made.delete(name);
  }

  /** Ends the set: closes its images, makes them durable, and only then writes inventory.img. */
  async commit(inventory: Input<inventory_entry>): Promise<void> {
    this.#closeAll();
    await this.#sync([...this.#made.keys()]);
    const name = fileName('INVENTORY');
    const temporary = `${name}.tmp`;
    const writer = this.#create('INVENTORY', temporary);
    writer.add(inventory);
    this.#closeAll();
    await this.#sync([temporary]);
    const [from, to] = [this.path(temporary), this.path(name)];
    attempt('write', to, () => renameSync(from, to));
    this.#made.set(name, writer.file);
    this.#made.delete(temporary);
    await this.#sync(['.']);
  }

  /**
   * Removes all that was made, inventory.img first, as far as it is still there and still the
   * same file. What cannot be removed keeps no other file; the first such error is thrown at the end.
   */
  discard(): void {
    for (const writer of this.#writers) writer.abandon();
    this.#writers.clear();
    const errors: unknown[] = [];
    if (this.#link) rmSync(this.path(this.#link), { force: true });
    for (const name of [...this.#made.keys()].reverse()) {
      try {
        this.remove(name);
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  #create<K extends Kind>(kind: K, name: string): ImageWriter<K> {
    const writer = new ImageWriter(kind, this.path(name));
    this.#made.set(name, writer.file);
    this.#writers.add(writer);
    return writer;
  }

  #closeAll(): void {
    for (const writer of this.#writers) writer.close();
    this.#writers.clear();
  }

  async #sync(names: string[]): Promise<void> {
    if (this.options.sync === false) return;
    for (let i = 0; i < names.length; i += SYNC_AT_ONCE) {
      const some = names.slice(i, i + SYNC_AT_ONCE);
      await Promise.all(some.map((name) => syncFile(this.path(name))));
    }
  }
}

function readFolder(dir: string): string[] {
  try {
    accessSync(dir, constants.W_OK);
    return readdirSync(dir);
  } catch (error) {
    const { message, details } = fileError('use', dir, error);
    throw new CkptError('E_IMAGES_DIR', message, details);
  }
}

/** Statistics and caches belong to no set: a folder with one of an earlier action is as good as empty. */
function isImage(name: string): boolean {
  const parsed = parseName(name);
  return parsed !== undefined && !['STATS', 'IRMAP_CACHE'].includes(parsed.kind);
}

function isStill(path: string, made: Made): boolean {
  const now = lstatSync(path, { throwIfNoEntry: false });
  return now !== undefined && now.dev === made.dev && now.ino === made.ino;
}

/** Makes one file durable. Throws CkptError E_WRITE. */
export async function syncFile(path: string): Promise<void> {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    await promisify(fsync)(fd).finally(() => closeSync(fd));
  } catch (error) {
    throw fileError('write', path, error);
  }
}
