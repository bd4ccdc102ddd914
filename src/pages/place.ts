/** Reads bytes where a source found them: in files, which stay open, and in the memory of processes. */

import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { CkptError } from '../errors.js';
import { fileError } from '../images/file.js';
import { PAGE_SIZE } from '../images/pagemap.js';
import { runText } from './owner.js';
import type { Located, PageRun, Place } from './source.js';

const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

export class OpenFiles {
  readonly #files = new Map<string, Promise<FileHandle>>();

  /** `name` is the source's, for errors. */
  constructor(private readonly name: string) {}

  /**
   * The bytes of a run, whose parts lie at `parts`. Throws CkptError E_PAGE_SOURCE: what a file or
   * the memory of a process does not give, it will not give the next time either.
   */
  async read(run: PageRun, parts: readonly Located[]): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafe(run.count * PAGE_SIZE);
    for (const { page, count, place } of parts) {
      const start = (page - run.page) * PAGE_SIZE;
      const room = bytes.subarray(start, start + count * PAGE_SIZE);
      await this.#fill(room, pathOf(place), offsetOf(place, page), run);
    }
    return bytes;
  }

  /** Opens a file, so that it is this one whatever comes in its place. Rejects as open(2) does. */
  async open(path: string, flags = 0): Promise<FileHandle> {
    const known = this.#files.get(path);
    if (known) return known;
    const opening = open(path, FLAGS | flags);
    this.#files.set(path, opening);
    opening.catch(() => this.#files.delete(path));
    return opening;
  }

  async close(): Promise<void> {
    const files = await Promise.allSettled(this.#files.values());
    this.#files.clear();
    for (const file of files) if (file.status === 'fulfilled') await file.value.close();
  }

  async #fill(room: Buffer, path: string, offset: number, run: PageRun): Promise<void> {
    let done = 0;
    while (done < room.length) {
      const got = await this.#readAt(room.subarray(done), path, offset + done, run);
      if (got === 0) throw this.#failed(run, `${path} ends too early`);
      done += got;
    }
  }

  async #readAt(room: Buffer, path: string, offset: number, run: PageRun): Promise<number> {
    try {
      const file = await this.open(path);
      return (await file.read(room, 0, room.length, offset)).bytesRead;
    } catch (error) {
      throw this.#failed(run, fileError('read', path, error).message);
    }
  }

  #failed(run: PageRun, why: string): CkptError {
    return new CkptError('E_PAGE_SOURCE', `${this.name}: no ${runText(run)}: ${why}`, {
      object: this.name,
    });
  }
}

function pathOf(place: Place): string {
  return place.kind === 'file' ? place.path : `/proc/${place.pid}/mem`;
}

function offsetOf(place: Place, page: number): number {
  return place.kind === 'file' ? place.offset : page * PAGE_SIZE;
}
