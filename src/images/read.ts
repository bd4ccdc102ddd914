/** Reads one image, entry by entry, in constant memory. Its bytes are nobody's we would trust. */

import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { CkptError, type ErrorCode } from '../errors.js';
import { decode } from './decode.js';
import { fileError } from './file.js';
import type { Messages } from './gen/messages.js';
import { type EntryOf, type Kind, type MoreOf, kind, magicsOf } from './kinds.js';
import { parseName } from './names.js';
import { payloadOf } from './payload.js';
import type { MessageName } from './schema.js';
import type { Output } from './types.js';
import { Window } from './window.js';

/** The longest entry accepted, in bytes: room for an mm_entry of a million mappings. */
const MAX_ENTRY = 128 * 1024 * 1024;
const WORD = 4;

/** A range of the file, in bytes. */
export interface Range {
  offset: number;
  length: number;
}

/** An entry as it stands in the file. */
export interface Entry<M extends MessageName = MessageName> {
  message: M;
  value: Output<Messages[M]>;
  /** Where it begins, with the word that holds its length. */
  offset: number;
  /** Where the bytes are that it announces (payload.ts); of a ghost file without chunks, all the rest. */
  payload: Range[];
}

/** An entry of an image of kind `K`; its `message` tells which where there are two. */
export type EntryIn<K extends Kind> = {
  [M in EntryOf<K> | MoreOf<K>]: Entry<M>;
}[EntryOf<K> | MoreOf<K>];

/** An image that is open for reading. */
export class ImageReader<K extends Kind = Kind> {
  readonly #window: Window;

  private constructor(
    readonly path: string,
    readonly kind: K,
    /** Bytes. */
    readonly size: number,
    private readonly handle: FileHandle,
  ) {
    this.#window = new Window(handle, size);
  }

  /**
   * Opens an image; without `kind` its name tells the kind.
   * Throws CkptError E_READ where it cannot be read, E_IMAGE_MAGIC where it is no image.
   */
  static async open<K extends Kind = Kind>(path: string, kind?: K): Promise<ImageReader<K>> {
    const known = kind ?? (parseName(basename(path))?.kind as K | undefined);
    if (!known) throw imageError('E_IMAGE_MAGIC', path, 'no image has such a name');
    // O_NONBLOCK: whoever put a fifo there does not make us wait.
    const handle = await reading(path, open(path, constants.O_RDONLY | constants.O_NONBLOCK));
    const stat = await reading(path, handle.stat());
    if (stat.isFile()) return new ImageReader(path, known, stat.size, handle);
    await handle.close();
    throw imageError('E_IMAGE_MAGIC', path, 'not a regular file');
  }

  /**
   * The entries in order. Throws CkptError E_IMAGE_MAGIC where the file begins otherwise than its
   * kind does, E_IMAGE_TORN and E_IMAGE_CORRUPT with the offset, E_READ.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<EntryIn<K>> {
    const { entry, more } = kind(this.kind);
    let offset = await this.#skipMagics();
    let others = 0;
    while (offset < this.size) {
      const found = await this.#entryAt(offset, others > 0 ? more! : entry!);
      others = others > 0 ? others - 1 : othersAfter(found.entry);
      offset = found.end;
      yield found.entry as unknown as EntryIn<K>;
    }
  }

  /** Bytes of a range, which the caller keeps to a size it can hold. Throws CkptError E_READ, E_IMAGE_TORN. */
  async bytes({ offset, length }: Range): Promise<Buffer> {
    return this.#take(new Window(this.handle, this.size), offset, length, offset);
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  /** Checks what the file begins with; returns where the entries begin. */
  async #skipMagics(): Promise<number> {
    const magics = magicsOf(this.kind);
    if (magics.length === 0) throw imageError('E_IMAGE_MAGIC', this.path, 'it has no entries');
    const first = await this.#wordAt(0, 0);
    // Version 1.0 of the format had no magic before the image's own.
    if (first === magics.at(-1)) return WORD;
    const second = first === magics[0] ? await this.#wordAt(WORD, 0) : first;
    if (second === magics.at(-1)) return 2 * WORD;
    const reason = `its magic is ${hex(second)}, that of ${this.kind} is ${hex(magics.at(-1)!)}`;
    throw imageError('E_IMAGE_MAGIC', this.path, reason);
  }

  async #entryAt(offset: number, message: MessageName): Promise<{ entry: Entry; end: number }> {
    const length = await this.#wordAt(offset, offset);
    const start = offset + WORD;
    if (length > MAX_ENTRY) {
      const reason = `an entry of ${length} bytes is longer than any can be`;
      throw imageError('E_IMAGE_CORRUPT', this.path, reason, offset);
    }
    const bytes = await this.#take(this.#window, start, length, offset);
    const value = this.#decode(message, bytes, offset);
    const payload: Range[] = [];
    let end = start + length;
    for (const run of this.#runsAfter(message, value, end)) {
      this.#expectInside(offset, end, run.length + run.padding);
      payload.push({ offset: end, length: run.length });
      end += run.length + run.padding;
    }
    return { entry: { message, value, offset, payload } as Entry, end };
  }

  #decode(message: MessageName, bytes: Buffer, offset: number): object {
    try {
      return decode(message, bytes);
    } catch (error) {
      if (!(error instanceof CkptError)) throw error;
      throw imageError(error.code, this.path, error.message, offset);
    }
  }

  #runsAfter(message: MessageName, value: object, end: number): ReturnType<typeof payloadOf> {
    const isContent = message === 'ghost_file_entry' && !('chunks' in value && value.chunks);
    return isContent ? [{ length: this.size - end, padding: 0 }] : payloadOf(message, value);
  }

  async #wordAt(offset: number, entry: number): Promise<number> {
    return (await this.#take(this.#window, offset, WORD, entry)).readUInt32LE();
  }

  /** Bytes at `offset` of what begins at `entry`; all of them or an error. */
  async #take(window: Window, offset: number, length: number, entry: number): Promise<Buffer> {
    this.#expectInside(entry, offset, length);
    const bytes = await reading(this.path, window.at(offset, length));
    // It can shrink under our hands.
    if (bytes.length < length) throw this.#torn(entry, length - bytes.length);
    return bytes;
  }

  #expectInside(entry: number, offset: number, length: number): void {
    const missing = offset + length - this.size;
    if (missing > 0) throw this.#torn(entry, missing);
  }

  #torn(entry: number, missing: number): CkptError {
    const reason = `the file ends ${missing} bytes too early`;
    return imageError('E_IMAGE_TORN', this.path, reason, entry);
  }
}

/** How many entries of the image's second message follow an entry of its first. */
function othersAfter({ message, value }: Entry): number {
  if (message === 'ipc_msg_entry') return (value as Messages['ipc_msg_entry']).qnum;
  return message === 'pagemap_head' || message === 'ghost_file_entry' ? Infinity : 0;
}

async function reading<T>(path: string, action: Promise<T>): Promise<T> {
  try {
    return await action;
  } catch (error) {
    throw fileError('read', path, error);
  }
}

/** What is wrong with an image, and at which of its entries. */
export function imageError(
  code: ErrorCode,
  path: string,
  reason: string,
  offset?: number,
): CkptError {
  const place = offset === undefined ? path : `${path}, entry at byte ${offset}`;
  return new CkptError(code, `${place}: ${reason}`, { path, offset });
}

function hex(word: number): string {
  return `0x${word.toString(16).padStart(8, '0')}`;
}
