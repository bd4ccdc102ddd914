/** The raw bytes that follow some entries: how many, as the entry itself tells. */

import type { MessageName } from './schema.js';
import { type U64, toBigInt } from './u64.js';

/** A run of bytes: its length, and how much padding comes after it. */
export interface Run {
  length: number;
  padding: number;
}

type Value = Record<string, U64 | undefined>;

const rules: Partial<Record<MessageName, (value: Value) => Run[]>> = {
  pipe_data_entry: ({ bytes }) => [run(bytes)],
  sk_packet_entry: ({ length }) => [run(length)],
  tcp_stream_entry: ({ inq_len, outq_len }) => [run(inq_len), run(outq_len)],
  bpfmap_data_entry: ({ keys_bytes, values_bytes }) => [run(keys_bytes), run(values_bytes)],
  ghost_chunk_entry: ({ len }) => [run(len)],
  ipc_msg: ({ msize }) => [run(msize, 8)],
  ipc_sem_entry: ({ nsems }) => [run(2 * size(nsems), 8)],
  ipc_shm_entry: ({ size, in_pagemaps }) => (in_pagemaps ? [] : [run(size, 4)]),
};

/**
 * The runs that follow an entry. A ghost file's content is not among them: without chunks it is
 * all the rest of the file.
 */
export function payloadOf(message: MessageName, value: object): Run[] {
  return rules[message]?.(value as Value) ?? [];
}

function run(length: U64 | undefined, alignment = 1): Run {
  const bytes = size(length);
  return { length: bytes, padding: (alignment - (bytes % alignment)) % alignment };
}

function size(value: U64 | undefined): number {
  return value === undefined ? 0 : Number(toBigInt(value));
}
