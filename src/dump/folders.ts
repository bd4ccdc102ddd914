/**
 * The two folders of a dump. The set is made in a folder of its own inside the images folder, out
 * of everybody's way: what was there stays until the new set is complete, and a dump that fails
 * removes that one folder.
 */

import { accessSync, constants, mkdtempSync, realpathSync, statSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { CkptError, type ErrorCode } from '../errors.js';
import { fileError } from '../images/file.js';

export interface Folders {
  /** Absolute, without symlinks. */
  images: string;
  work: string;
}

/** Finds both. Throws CkptError E_IMAGES_DIR or E_WORK_DIR: missing, no folder, not writable. */
export function findFolders(imagesDir: string, workDir = imagesDir): Folders {
  return {
    images: writableFolder('E_IMAGES_DIR', '--images-dir', imagesDir),
    work: writableFolder('E_WORK_DIR', '--work-dir', workDir),
  };
}

/** Makes the folder in which a set comes about, mode 0700. Throws CkptError E_IMAGES_DIR or E_NO_SPACE. */
export function makeStaging(images: string): string {
  try {
    return mkdtempSync(join(images, '.ckpt-'));
  } catch (error) {
    const { code, message, details } = fileError('write', images, error);
    throw new CkptError(code === 'E_NO_SPACE' ? code : 'E_IMAGES_DIR', message, details);
  }
}

/** Types of file systems that are memory, as statfs(2) has them: tmpfs and ramfs. */
const IN_MEMORY = [0x01021994, 0x858458f6];

/** Whether what is in `dir` will ever be on a disk. */
export function isOnDisk(dir: string): boolean {
  return !IN_MEMORY.includes(statfsSync(dir).type);
}

/** What went wrong with a file in the work folder. */
export function workFileError(verb: string, path: string, error: unknown): CkptError {
  const { code, message, details } = fileError(verb, path, error);
  return new CkptError(code === 'E_NO_SPACE' ? code : 'E_WORK_DIR', message, details);
}

/** The absolute path of a folder that `option` names. Throws CkptError with `code`. */
export function writableFolder(code: ErrorCode, option: string, path: string): string {
  try {
    const real = realpathSync(path);
    if (!statSync(real).isDirectory()) throw new CkptError(code, `${option}: ${path} is no folder`);
    accessSync(real, constants.W_OK | constants.X_OK);
    return real;
  } catch (error) {
    if (error instanceof CkptError) throw error;
    const { message, details } = fileError('write to', path, error);
    throw new CkptError(code, `${option}: ${message}`, details);
  }
}
