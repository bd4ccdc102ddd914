/** Writes one image: its magics, then entries as they come, in constant memory. */

import { CkptError } from '../errors.js';
import { append } from './encode.js';
import { NewFile } from './file.js';
import type { Messages } from './gen/messages.js';
import { type EntryOf, type Kind, type MoreOf, kind, magicsOf } from './kinds.js';
import { type Run, payloadOf } from './payload.js';
import protobuf from './protobuf.js';
import type { MessageName } from './schema.js';
import type { Input } from './types.js';

/** What is gathered before it is written, in bytes. */
const BATCH = 64 * 1024;

/** An image that is being written. Every method may throw CkptError E_WRITE or E_NO_SPACE. */
export class ImageWriter<K extends Kind> {
  readonly file: NewFile;
  #buffer = protobuf.Writer.create();
  #written = 0;

  /** Makes the file `path`, which must not exist. */
  constructor(
    readonly kind: K,
    path: string,
  ) {
    this.file = new NewFile(path);
    for (const magic of magicsOf(kind)) this.#buffer.fixed32(magic);
  }

  /** Size of the image so far. */
  get bytes(): number {
    return this.#written + this.#buffer.pos;
  }

  /**
   * Appends an entry, and the bytes that follow one of its kind: `payload` holds one array for
   * each run that the entry announces. Throws E_IMAGE_FIELD as `encode` does, and for a payload
   * that is not as the entry says; the image is then as it was.
   */
  add(value: Input<Messages[EntryOf<K>]>, ...payload: Uint8Array[]): void {
    this.#append(kind(this.kind).entry!, value, payload);
  }

  /** Like `add`, an entry of the second message of images that have two, such as a pagemap. */
  addMore(value: Input<Messages[MoreOf<K>]>, ...payload: Uint8Array[]): void {
    this.#append(kind(this.kind).more!, value, payload);
  }

  /** Appends bytes as they are: the content of a ghost file, or of a raw image. */
  addRaw(bytes: Uint8Array): void {
    if (this.#buffer.pos + bytes.length > BATCH) this.#flush();
    if (bytes.length > BATCH) {
      this.file.write(bytes);
      this.#written += bytes.length;
    } else {
      this.#buffer.raw(bytes);
    }
  }

  /** Writes what is left and closes the file. */
  close(): void {
    this.#flush();
    this.#buffer = protobuf.Writer.create();
    this.file.close();
  }

  /** Closes the file as it is; what was not written yet is lost. */
  abandon(): void {
    this.file.close();
  }

  #append(message: MessageName, value: object, payload: Uint8Array[]): void {
    const start = this.#buffer.pos;
    let runs;
    try {
      append(this.#buffer.fixed32(0), message, value as never);
      runs = payloadOf(message, value);
      checkPayload(message, runs, payload);
    } catch (error) {
      this.#buffer.pos = start;
      throw error;
    }
    (this.#buffer.buf as Buffer).writeUInt32LE(this.#buffer.pos - start - 4, start);
    payload.forEach((bytes, i) => {
      this.addRaw(bytes);
      this.addRaw(new Uint8Array(runs[i]!.padding));
    });
    if (this.#buffer.pos >= BATCH) this.#flush();
  }

  #flush(): void {
    this.file.write(this.#buffer.buf.subarray(0, this.#buffer.pos));
    this.#written += this.#buffer.pos;
    this.#buffer.pos = 0;
  }
}

function checkPayload(message: MessageName, runs: Run[], payload: Uint8Array[]): void {
  const given = payload.map((bytes) => bytes.length).join(' and ');
  const announced = runs.map((run) => run.length).join(' and ');
  if (given === announced) return;
  const reason = `announces ${announced || 'no'} bytes, and ${given || 'none'} follow`;
  throw new CkptError('E_IMAGE_FIELD', `${message}: ${reason}`);
}
