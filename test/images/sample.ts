// Messages with every field set, to values at the edges of what the fields hold.
import { descriptors } from '../../src/images/gen/descriptors.js';
import { type Field, type MessageName, messageOf } from '../../src/images/schema.js';

/** The names of all messages. */
export const messageNames = Object.keys(descriptors) as MessageName[];

/** Some messages hold messages of their own type: so deep, and no deeper. */
const DEPTH = 4;

const edges: Record<string, readonly unknown[]> = {
  uint32: [0, 1, 127, 128, 2 ** 31, 2 ** 32 - 1],
  int32: [0, -1, 2 ** 31 - 1, -(2 ** 31)],
  sint32: [0, -1, 2 ** 31 - 1, -(2 ** 31)],
  uint64: [2n ** 64n - 1n, 0n, 2n ** 53n + 1n, 2n ** 63n, 0xffff_ffffn],
  fixed64: [2n ** 64n - 1n, 0n, 2n ** 53n + 1n],
  int64: [-1n, 0n, 2n ** 63n - 1n, -(2n ** 63n)],
  sint64: [-1n, 0n, 2n ** 63n - 1n, -(2n ** 63n)],
  bool: [true, false],
  string: ['', 'a name', 'ünï-ço∂é', 'x'.repeat(200)],
  bytes: [Buffer.of(0, 97, 98), Buffer.alloc(0), Buffer.of(0xff, 0x80)],
};

/** A message whose `round`th version has the `round`th edge in its first field, and so on. */
export function sample(name: MessageName, round: number, depth = 0): Record<string, unknown> {
  const given = messageOf(name).fields.map((field, i) => [
    field.name,
    field.rule === 'repeated' ? several(field, round + i, depth) : one(field, round + i, depth),
  ]);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

function several(field: Field, round: number, depth: number): unknown[] {
  return [0, 1, 2].map((i) => one(field, round + i, depth)).filter((item) => item !== undefined);
}

function one(field: Field, round: number, depth: number): unknown {
  if (field.message) {
    const isRequired = field.rule === 'required';
    return depth < DEPTH || isRequired ? sample(field.message, round, depth + 1) : undefined;
  }
  const values = field.values ? Object.values(field.values) : edges[field.type]!;
  return values[round % values.length];
}

/** The same with 64-bit values as bigint and bytes as hex, so that two can be compared. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  if ('unsigned' in value) return BigInt(String(value));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}
