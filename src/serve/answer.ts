/**
 * Answers the helper's questions for pages that it cannot read itself, over a pipe of their own:
 * u64 id, u64 length, that many bytes; or, with the highest bit in the length, why there are none.
 */

import type { Writable } from 'node:stream';
import type { NeedFrame } from '../helper/protocol.js';
import type { PageSource } from '../pages/source.js';

const ERROR = 1n << 63n;
const HEADER = 16;

/** Settles when the answer is on its way, whatever it is. */
export async function answer(
  { id, pid, page, count }: NeedFrame,
  source: PageSource,
  data: Writable,
  signal: AbortSignal,
): Promise<void> {
  try {
    const bytes = await source.read({ owner: { pid }, page, count }, signal);
    send(data, id, BigInt(bytes.length), bytes);
  } catch (error) {
    const reason = Buffer.from((error as Error).message);
    send(data, id, ERROR | BigInt(reason.length), reason);
  }
}

function send(data: Writable, id: number, length: bigint, bytes: Uint8Array): void {
  const header = Buffer.alloc(HEADER);
  header.writeBigUInt64LE(BigInt(id), 0);
  header.writeBigUInt64LE(length, 8);
  data.write(header);
  data.write(bytes);
}
