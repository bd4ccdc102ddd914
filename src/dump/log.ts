/**
 * The log of a dump: CRIU's levels, one line a step, to a file and to whoever listens.
 * From level 3 on a line begins with the seconds since the start.
 */

import { closeSync, openSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { now } from '../clock.js';
import { workFileError } from './folders.js';
import type { DumpOptions } from './options.js';

const LEVELS = { error: 1, warn: 2, info: 3, debug: 4 } as const;
const DEFAULT_LEVEL = LEVELS.warn;

export type LogOptions = Pick<DumpOptions, 'verbosity' | 'logFile' | 'onLog'>;

export class Log {
  readonly #level: number;
  readonly #listen: ((line: string) => void) | undefined;
  readonly #fd: number | undefined;
  readonly #start = now();

  /** Opens `logFile`, relative to `workDir`. Throws CkptError E_WORK_DIR. */
  constructor({ verbosity = DEFAULT_LEVEL, logFile, onLog }: LogOptions, workDir: string) {
    this.#level = verbosity;
    this.#listen = onLog;
    if (logFile) this.#fd = openLog(resolve(workDir, logFile));
  }

  /** What the caller gets as an error too: for the file alone. */
  error(text: string): void {
    this.#write(LEVELS.error, `Error: ${text}`, false);
  }

  warn(text: string): void {
    this.#write(LEVELS.warn, `Warn: ${text}`);
  }

  info(text: string): void {
    this.#write(LEVELS.info, text);
  }

  debug(text: string): void {
    this.#write(LEVELS.debug, text);
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
  }

  #write(level: number, text: string, isNews = true): void {
    if (level > this.#level) return;
    const seconds = ((now() - this.#start) / 1000).toFixed(6).padStart(9, '0');
    const line = this.#level >= LEVELS.info ? `(${seconds}) ${text}` : text;
    if (isNews) this.#listen?.(line);
    if (this.#fd !== undefined) tryWrite(this.#fd, `${line}\n`);
  }
}

function openLog(path: string): number {
  try {
    return openSync(path, 'w', 0o600);
  } catch (error) {
    throw workFileError('make', path, error);
  }
}

/** A log on a full disk must not end the dump. */
function tryWrite(fd: number, text: string): void {
  try {
    writeSync(fd, text);
  } catch {
    // nothing that could be said anywhere
  }
}
