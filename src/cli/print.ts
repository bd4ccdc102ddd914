/** Output of every command: results on stdout, what is said about them on stderr. */

import { writeSync } from 'node:fs';
import type { CkptError } from '../errors.js';

/** What a stream gathers before it is written, in characters. */
const BATCH = 64 * 1024;

/** Lines on stdout. */
export function print(text: string): void {
  write(1, text);
}

/** The one JSON object of a run with `--json`. */
export function printJson(value: object): void {
  print(JSON.stringify(value));
}

/** Lines on stderr. */
export function say(text: string): void {
  write(2, text);
}

function write(fd: number, text: string): void {
  writeText(fd, `${text}\n`);
}

/** Text on stdout in batches: for what is too long to be put together first. */
export class Stream {
  #waiting: string[] = [];
  #length = 0;

  write(text: string): void {
    this.#waiting.push(text);
    this.#length += text.length;
    if (this.#length >= BATCH) this.end();
  }

  /** Writes what is left. */
  end(): void {
    writeText(1, this.#waiting.join(''));
    this.#waiting = [];
    this.#length = 0;
  }
}

/** At once, and without the streams of Node, which take 3 ms to load. */
function writeText(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      // A pipe that does not block and is full: its reader will come. Else nobody listens.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
    }
  }
}

/** `ckpt: message (remedy)`; or `{ok: false, error: {code, message, ...}}`. */
export function printError({ code, message, details }: CkptError, json: boolean): void {
  if (json) return printJson({ ok: false, error: { ...details, code, message } });
  const { remedy } = details;
  const isNew = typeof remedy === 'string' && !message.includes(remedy);
  say(`ckpt: ${oneLine(message)}${isNew ? ` (${remedy})` : ''}`);
}

/** Names of files and processes may hold anything, line ends and terminal controls too. */
export function oneLine(text: string): string {
  return text.replace(
    /[\x00-\x1f\x7f-\x9f]/g,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
