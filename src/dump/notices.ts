/** What a dump tells others by file and descriptor: the root's pid, and that the set is complete. */

import { closeSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { CkptError } from '../errors.js';
import { workFileError } from './folders.js';
import type { DumpOptions } from './options.js';

/** Makes the pidfile, which must not exist, as with CRIU. Throws CkptError E_WORK_DIR or E_NO_SPACE. */
export function writePidfile({ pidfile, tree }: DumpOptions, workDir: string): void {
  if (!pidfile) return;
  const path = resolve(workDir, pidfile);
  try {
    writeFileSync(path, `${tree}`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    throw workFileError('make', path, error);
  }
}

/** Takes it back. */
export function removePidfile({ pidfile }: DumpOptions, workDir: string): void {
  if (pidfile) rmSync(resolve(workDir, pidfile), { force: true });
}

/** Writes `\0` to the status descriptor and closes it. Throws CkptError E_USAGE where it cannot be written. */
export function tellReady({ statusFd }: Partial<DumpOptions>): void {
  if (statusFd === undefined) return;
  try {
    writeSync(statusFd, '\0');
    closeSync(statusFd);
  } catch (error) {
    throw new CkptError('E_USAGE', `--status-fd: ${statusFd}: ${(error as Error).message}`);
  }
}
