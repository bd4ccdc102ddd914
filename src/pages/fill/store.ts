/** A flat page store in the making: a new file, complete or not there at all, or a block device. */

import {
  closeSync,
  constants,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { resolve } from 'node:path';
import { CkptError } from '../../errors.js';
import { attempt } from '../../images/file.js';
import { PAGE_SIZE } from '../../images/pagemap.js';
import { storeSize } from '../file.js';
import type { Manifest } from '../manifest.js';
import { piecesOf, type Plan, readPieces } from './copy.js';

const NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** Fails where the device is mounted. */
const DEVICE = constants.O_WRONLY | constants.O_EXCL;

export class Store {
  readonly path: string;
  readonly #draft: string | undefined;
  readonly #fd: number;
  #written = 0;

  /** Begins a store. Throws CkptError E_WRITE or E_NO_SPACE. */
  constructor(path: string) {
    this.path = resolve(path);
    if (isDevice(this.path)) {
      this.#fd = attempt('write', this.path, () => openSync(this.path, DEVICE));
      return;
    }
    const draft = `${this.path}.ckpt-${process.pid}`;
    this.#draft = draft;
    this.#fd = attempt('make', draft, () => openSync(draft, NEW, 0o600));
  }

  /** Makes sure that a device has room for the pages of a set. Throws CkptError E_NO_SPACE. */
  expect({ dir, pages }: Manifest): void {
    if (this.#draft) return;
    const [size, needed] = [storeSize(this.path, this.path), pages * PAGE_SIZE];
    if (size >= needed) return;
    const message = `${this.path} has ${size} bytes, the pages of ${dir} need ${needed}`;
    throw new CkptError('E_NO_SPACE', message, { path: this.path });
  }

  /** Appends bytes. Throws CkptError E_WRITE or E_NO_SPACE. */
  write(bytes: Uint8Array): void {
    attempt('write', this.path, () => {
      for (let done = 0; done < bytes.length;) {
        const position = this.#written + done;
        done += writeSync(this.#fd, bytes, done, bytes.length - done, position);
      }
    });
    this.#written += bytes.length;
  }

  /** All is there: from now on the store has its name. Throws CkptError E_WRITE or E_NO_SPACE. */
  finish(): void {
    attempt('write', this.path, () => {
      fsyncSync(this.#fd);
      if (this.#draft) renameSync(this.#draft, this.path);
    });
  }

  /** Takes a finished store back; what a device held is lost. */
  retract(): void {
    if (this.#draft) rmSync(this.path, { force: true });
  }

  /** Closes it; what was not finished is removed. */
  close(): void {
    closeSync(this.#fd);
    if (this.#draft) rmSync(this.#draft, { force: true });
  }
}

/** Writes the pages of a set into a store, in the order of its manifest. */
export async function writeStore(work: {
  store: Store;
  set: Manifest;
  /** Has a source for every range. */
  plan: Plan;
  /** Hears of each batch of pages. */
  tell?: (pages: number) => void;
  signal?: AbortSignal | undefined;
}): Promise<void> {
  const { store, set, plan, tell, signal } = work;
  store.expect(set);
  for (const listed of set.owners) {
    for await (const bytes of readPieces(piecesOf(listed, plan), signal)) {
      store.write(bytes);
      tell?.(bytes.length / PAGE_SIZE);
    }
  }
}

/** Whether it is a device; a file must not be there yet. */
function isDevice(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return false;
  if (stat.isBlockDevice()) return true;
  const message = `${path} is there already: a page store is a new file or a block device`;
  throw new CkptError('E_WRITE', message, { path });
}
