/**
 * Bytes to messages: the counterpart of encode.ts, and as strict.
 *
 * The bytes come from files that anybody may have written: nothing is read beyond a message's
 * end, nesting is bounded, and what a message must have is there or an error says what is not.
 * Fields that we do not know (of a newer CRIU) are skipped.
 */

import Long from 'long';
import { CkptError } from '../errors.js';
import { WIRE } from './encode.js';
import type { Messages } from './gen/messages.js';
import type { Reader } from './protobuf.js';
import protobuf from './protobuf.js';
import { type Field, type Message, type MessageName, messageOf } from './schema.js';
import { bytesToText } from './text.js';
import type { Output } from './types.js';

// The bundle does not find the package by itself, and would round 64-bit values to numbers.
protobuf.util.Long = Long;
protobuf.configure();

/** As deep as protobuf's own readers go. Some messages nest in themselves. */
const MAX_DEPTH = 100;

const scalars: Readonly<Record<string, { wire: number; take: (reader: Reader) => unknown }>> = {
  uint32: { wire: WIRE.varint, take: (r) => r.uint32() },
  int32: { wire: WIRE.varint, take: (r) => r.int32() },
  sint32: { wire: WIRE.varint, take: (r) => r.sint32() },
  uint64: { wire: WIRE.varint, take: (r) => r.uint64() },
  int64: { wire: WIRE.varint, take: (r) => r.int64() },
  sint64: { wire: WIRE.varint, take: (r) => r.sint64() },
  fixed64: { wire: WIRE.fixed64, take: (r) => r.fixed64() },
  bool: { wire: WIRE.varint, take: (r) => r.bool() },
  enum: { wire: WIRE.varint, take: (r) => r.int32() },
  string: { wire: WIRE.delimited, take: (r) => bytesToText(r.bytes()) },
  // A copy: what is read from may be a large window on a file.
  bytes: { wire: WIRE.delimited, take: (r) => Buffer.from(r.bytes()) },
};

/**
 * One message from all of `bytes`. 64-bit values are Long, bytes are Buffer, an absent repeated
 * field is an empty array, any other absent field is no property.
 * Throws CkptError E_IMAGE_CORRUPT, naming the message.
 */
export function decode<M extends MessageName>(name: M, bytes: Uint8Array): Output<Messages[M]> {
  const reader = protobuf.Reader.create(bytes);
  try {
    return takeMessage(reader, messageOf(name), reader.len, 0) as Output<Messages[M]>;
  } catch (error) {
    const reason = (error as Error).message;
    throw new CkptError('E_IMAGE_CORRUPT', `not a ${name}: ${reason}`, { message: name });
  }
}

function takeMessage(reader: Reader, message: Message, end: number, depth: number): object {
  if (depth > MAX_DEPTH) throw new RangeError('nested too deep');
  if (end > reader.len) throw new RangeError(`${message.name} ends too early`);
  const value = emptyLists(message);
  while (reader.pos < end) {
    const tag = reader.tag();
    const field = message.byId.get(tag >>> 3);
    if (!field || !takeField(reader, field, tag & 7, value, depth)) {
      reader.skipType(tag & 7, 0, tag >>> 3);
    }
  }
  if (reader.pos !== end) throw new RangeError(`${message.name} ends too early`);
  const missing = message.fields.find((f) => f.rule === 'required' && !(f.name in value));
  if (missing) throw new RangeError(`${message.name}.${missing.name} is missing`);
  return value;
}

function emptyLists(message: Message): Record<string, unknown> {
  const lists = message.fields.filter((field) => field.rule === 'repeated');
  return Object.fromEntries(lists.map((field) => [field.name, []]));
}

/** Takes one occurrence of a field into `value`; false where its wire type is not the field's. */
function takeField(
  reader: Reader,
  field: Field,
  wire: number,
  value: Record<string, unknown>,
  depth: number,
): boolean {
  const expected = field.message ? WIRE.delimited : scalars[field.type]!.wire;
  const list = field.rule === 'repeated' ? (value[field.name] as unknown[]) : undefined;
  if (wire === expected) {
    const taken = takeValue(reader, field, depth);
    if (list) list.push(taken);
    else value[field.name] = taken;
  } else if (list && wire === WIRE.delimited) {
    takePacked(reader, field, list);
  } else {
    return false;
  }
  return true;
}

function takeValue(reader: Reader, field: Field, depth: number): unknown {
  if (!field.message) return scalars[field.type]!.take(reader);
  const end = reader.size() + reader.pos;
  return takeMessage(reader, messageOf(field.message), end, depth + 1);
}

/** Numbers of a repeated field may also come in one run, without a tag for each. */
function takePacked(reader: Reader, field: Field, list: unknown[]): void {
  const end = reader.size() + reader.pos;
  if (end > reader.len) throw new RangeError(`${field.name} ends too early`);
  while (reader.pos < end) list.push(scalars[field.type]!.take(reader));
  if (reader.pos !== end) throw new RangeError(`${field.name} ends too early`);
}
