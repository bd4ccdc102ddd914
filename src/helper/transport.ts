/**
 * Frames over a byte stream: u32 little-endian length, then that many bytes of UTF-8 JSON, one
 * object. Knows nothing of processes or of what a frame says; docs/protocol.md, "Framing".
 */

import type { Writable } from 'node:stream';
import { CkptError } from '../errors.js';
import { FRAME_LIMIT } from './protocol.js';

const HEADER = 4;

/** Bytes in the order they came, joined only once a whole frame is there. */
export class ByteQueue {
  #chunks: Buffer[] = [];
  length = 0;

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.length += chunk.length;
  }

  /** The first `count` bytes, which must be there, without taking them. */
  peek(count: number): Buffer {
    if (this.#chunks[0]!.length < count) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]!.subarray(0, count);
  }

  take(count: number): Buffer {
    const taken = this.peek(count);
    const rest = this.#chunks[0]!.subarray(count);
    if (rest.length > 0) this.#chunks[0] = rest;
    else this.#chunks.shift();
    this.length -= count;
    return taken;
  }
}

/**
 * The frames that `source` carries, until it ends between two frames.
 * Throws CkptError E_PROTOCOL: a frame over `limit`, torn by the stream's end, or no JSON object.
 */
export async function* readFrames(
  source: AsyncIterable<Buffer>,
  limit = FRAME_LIMIT,
): AsyncGenerator<object> {
  const queue = new ByteQueue();
  for await (const chunk of source) {
    queue.push(chunk);
    for (let body = takeBody(queue, limit); body; body = takeBody(queue, limit)) yield parse(body);
  }
  if (queue.length > 0) throw protocolError(`a frame was cut off after ${queue.length} bytes`);
}

/** Writes one frame; settles when the stream has taken it. Throws like `readFrames`, or as the stream does. */
export function writeFrame(sink: Writable, frame: object, limit = FRAME_LIMIT): Promise<void> {
  const body = Buffer.from(JSON.stringify(frame));
  if (body.length > limit) throw tooLong(body.length, limit);
  const header = Buffer.alloc(HEADER);
  header.writeUInt32LE(body.length);
  return new Promise((resolve, reject) => {
    sink.write(Buffer.concat([header, body]), (error) => (error ? reject(error) : resolve()));
  });
}

function takeBody(queue: ByteQueue, limit: number): Buffer | undefined {
  if (queue.length < HEADER) return undefined;
  const length = queue.peek(HEADER).readUInt32LE();
  if (length > limit) throw tooLong(length, limit);
  if (queue.length < HEADER + length) return undefined;
  return queue.take(HEADER + length).subarray(HEADER);
}

function parse(body: Buffer): object {
  let frame: unknown;
  try {
    frame = JSON.parse(body.toString());
  } catch {
    throw protocolError('a frame holds no JSON');
  }
  if (typeof frame !== 'object' || frame === null || Array.isArray(frame)) {
    throw protocolError('a frame holds no JSON object');
  }
  return frame;
}

function tooLong(length: number, limit: number): CkptError {
  return protocolError(`a frame of ${length} bytes is over the limit of ${limit}`);
}

function protocolError(what: string): CkptError {
  return new CkptError('E_PROTOCOL', `the helper's protocol was violated: ${what}`);
}
