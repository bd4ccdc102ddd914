/**
 * `file:PATH`: a flat page store, laid out by the set's manifest and by nothing else: a file, or a
 * device such as a disk or persistent memory.
 */

import { readFileSync, type Stats, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { CkptError } from '../errors.js';
import { fileError } from '../images/file.js';
import { PAGE_SIZE } from '../images/pagemap.js';
import type { Manifest } from './manifest.js';
import { OpenFiles } from './place.js';
import { lacks, rangesOf } from './ranges.js';
import type { Located, PageRun, PageSource } from './source.js';

/** Block devices tell their size in such sectors, whatever their own are. */
const SECTOR = 512;

export class FileSource implements PageSource {
  readonly name: string;
  readonly #path: string;
  readonly #files: OpenFiles;
  #set: Manifest | undefined;

  constructor(path: string) {
    this.name = `file:${path}`;
    this.#path = resolve(path);
    this.#files = new OpenFiles(this.name);
  }

  async open(set: Manifest): Promise<void> {
    const needed = set.pages * PAGE_SIZE;
    const size = storeSize(this.name, this.#path);
    if (size < needed) {
      const message = `${this.name}: it has ${size} bytes, the pages of ${set.dir} need ${needed}`;
      throw new CkptError('E_PAGE_SOURCE', message, { path: this.#path });
    }
    this.#set = set;
  }

  locate(run: PageRun): Located[] {
    const { dir } = this.#set!;
    const ranges = rangesOf(this.#set!, run);
    if (!ranges) throw lacks(this.name, run, `${dir} does not list them`);
    return ranges.map(({ page, count, at }) => ({
      ...{ page, count },
      place: { kind: 'file', path: this.#path, offset: at * PAGE_SIZE },
    }));
  }

  read(run: PageRun): Promise<Uint8Array> {
    return this.#files.read(run, this.locate(run));
  }

  close(): Promise<void> {
    return this.#files.close();
  }
}

/** Bytes in a file or device. Throws CkptError E_PAGE_SOURCE where it is neither, naming `name`. */
export function storeSize(name: string, path: string): number {
  try {
    const stat = statSync(path);
    if (stat.isFile()) return stat.size;
    if (stat.isBlockDevice()) return deviceSize('block', stat) * SECTOR;
    if (stat.isCharacterDevice()) return deviceSize('char', stat);
  } catch (error) {
    const { message } = fileError('read', path, error);
    throw new CkptError('E_PAGE_SOURCE', `${name}: ${message}`, { path });
  }
  const message = `${name}: it is neither a file nor a device`;
  throw new CkptError('E_PAGE_SOURCE', message, { path });
}

/** What sysfs tells; of character devices only those of memory (DAX) have a size. */
function deviceSize(kind: 'block' | 'char', { rdev }: Stats): number {
  const major = ((rdev >>> 8) & 0xfff) | 0;
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  return Number(readFileSync(`/sys/dev/${kind}/${major}:${minor}/size`, 'utf8'));
}
