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

const NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** Fails where the device is mounted. */
const DEVICE = constants.O_WRONLY | constants.O_EXCL;

export class Store {
  readonly path: string;
  readonly #draft: string | undefined;
  readonly #fd: number;
  #written = 0;

  /** Begins a store for the pages of `set`. Throws CkptError E_WRITE or E_NO_SPACE. */
  constructor(path: string, set: Manifest) {
    this.path = resolve(path);
    if (checkPlace(this.path, set)) {
      this.#fd = attempt('write', this.path, () => openSync(this.path, DEVICE));
      return;
    }
    const draft = `${this.path}.ckpt-${process.pid}`;
    this.#draft = draft;
    this.#fd = attempt('make', draft, () => openSync(draft, NEW, 0o600));
  }

  write(bytes: Uint8Array): void {
    attempt('write', this.path, () => {
      for (let done = 0; done < bytes.length;) {
        const position = this.#written + done;
        done += writeSync(this.#fd, bytes, done, bytes.length - done, position);
      }
    });
    this.#written += bytes.length;
  }

  /** All is there: from now on the store has its name. */
  finish(): void {
    attempt('write', this.path, () => {
      fsyncSync(this.#fd);
      if (this.#draft) renameSync(this.#draft, this.path);
    });
  }

  /** Closes it; what was not finished is removed. */
  close(): void {
    closeSync(this.#fd);
    if (this.#draft) rmSync(this.#draft, { force: true });
  }
}

/** Whether it is a device, which has to be large enough; a file must not be there yet. */
function checkPlace(path: string, { dir, pages }: Manifest): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return false;
  if (!stat.isBlockDevice()) {
    const message = `${path} is there already: a page store is a new file or a block device`;
    throw new CkptError('E_WRITE', message, { path });
  }
  const [size, needed] = [storeSize(path, path), pages * PAGE_SIZE];
  if (size >= needed) return true;
  const message = `${path} has ${size} bytes, the pages of ${dir} need ${needed}`;
  throw new CkptError('E_NO_SPACE', message, { path });
}
