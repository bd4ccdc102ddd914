/**
 * A file that we make: new, ours alone, written from front to back.
 * Everything that the file system refuses becomes a CkptError that names the file.
 */

import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';
import { CkptError, type ErrorCode } from '../errors.js';

const NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const FULL = ['ENOSPC', 'EDQUOT'];

/** An open file, and which file it is: `dev` and `ino` tell it from one that took its name. */
export class NewFile {
  readonly dev: number;
  readonly ino: number;
  #fd: number;

  /** Makes the file, mode 0600. Throws CkptError E_WRITE, E_NO_SPACE, or E_IMAGES_EXIST if it is there. */
  constructor(readonly path: string) {
    this.#fd = attempt('make', path, () => openSync(path, NEW, 0o600));
    ({ dev: this.dev, ino: this.ino } = fstatSync(this.#fd));
  }

  /** Appends all of `bytes`. Throws CkptError E_WRITE or E_NO_SPACE. */
  write(bytes: Uint8Array): void {
    attempt('write', this.path, () => {
      for (let done = 0; done < bytes.length;) {
        done += writeSync(this.#fd, bytes, done, bytes.length - done);
      }
    });
  }

  /** Closes the file, once; later calls do nothing. */
  close(): void {
    const fd = this.#fd;
    this.#fd = -1;
    if (fd >= 0) attempt('write', this.path, () => closeSync(fd));
  }
}

/** Runs `action` on the file `path`; what the system reports becomes a CkptError. */
export function attempt<T>(verb: string, path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw fileError(verb, path, error);
  }
}

/** A CkptError of what a system call reported, for instance "cannot write a/core-1.img: no space left on device". */
export function fileError(verb: string, path: string, error: unknown): CkptError {
  const { code = '', message } = error as NodeJS.ErrnoException;
  const reason = /^\w+: (.*?),/.exec(message)?.[1] ?? message;
  const details = { path, errno: code };
  return new CkptError(codeOf(verb, code), `cannot ${verb} ${path}: ${reason}`, details, {
    cause: error,
  });
}

function codeOf(verb: string, errno: string): ErrorCode {
  if (FULL.includes(errno)) return 'E_NO_SPACE';
  if (errno === 'EEXIST') return 'E_IMAGES_EXIST';
  return verb === 'read' ? 'E_READ' : 'E_WRITE';
}
