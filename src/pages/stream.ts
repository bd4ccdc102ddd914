/** Reads a stream by counts of bytes: what peers send has lengths, not lines. */

import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { ByteQueue } from '../helper/transport.js';

/** Bytes handed on at a time where much comes. */
const PIECE = 1024 * 1024;

export class ByteStream {
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #queue = new ByteQueue();
  #arrival: Promise<boolean> | undefined;

  constructor(stream: Readable) {
    this.#chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    stream.on('error', () => {}); // whoever reads is told by the read itself
  }

  /** `count` bytes, at least one; undefined where the stream ends before the first. Rejects where it is torn. */
  async take(count: number): Promise<Buffer | undefined> {
    while (this.#queue.length < count) {
      if (await this.#more()) continue;
      if (this.#queue.length === 0) return undefined;
      throw new Error(`the connection ended after ${this.#queue.length} of ${count} bytes`);
    }
    return this.#queue.take(count);
  }

  /** As `take`, where the stream must not end. */
  async expect(count: number): Promise<Buffer> {
    const bytes = await this.take(count);
    if (!bytes) throw new Error('the connection was closed');
    return bytes;
  }

  /** `count` bytes in pieces, as they come. */
  async *pieces(count: number): AsyncGenerator<Buffer> {
    for (let left = count; left > 0;) {
      const piece = await this.expect(Math.min(left, PIECE));
      left -= piece.length;
      yield piece;
    }
  }

  /** Whether `count` bytes are there before `ms` have passed. Nothing is taken. */
  async has(count: number, ms: number): Promise<boolean> {
    const stop = new AbortController();
    const late = sleep(ms, false, { signal: stop.signal }).catch(() => false);
    while (this.#queue.length < count && (await Promise.race([this.#more(), late])));
    stop.abort();
    return this.#queue.length >= count;
  }

  /** Waits for the next chunk; false at the stream's end. One that failed goes on failing. */
  #more(): Promise<boolean> {
    this.#arrival ??= this.#chunks.next().then(({ value, done }) => {
      this.#arrival = undefined;
      if (!done) this.#queue.push(value);
      return !done;
    });
    this.#arrival.catch(() => {});
    return this.#arrival;
  }
}
