/**
 * Messages to bytes. The one place where values are put on the wire.
 *
 * protobufjs' Writer writes; what is written is decided here, because its own encoders would take
 * a bigint for 0, -1 for 2^32-1 and a missing required field for 0 without a word. All that is
 * checked in the same pass that writes, without protobufjs' reflection (20 ms to start with). A
 * required field is written whatever its value: CRIU's reader refuses a message without it.
 */

import { inspect } from 'node:util';
import { CkptError } from '../errors.js';
import type { Messages } from './gen/messages.js';
import type { Writer } from './protobuf.js';
import protobuf from './protobuf.js';
import { type Field, type MessageName, messageOf } from './schema.js';
import { textToBytes } from './text.js';
import type { Input } from './types.js';
import { type U64, toBits } from './u64.js';

/** Wire types of the protobuf encoding. */
export const WIRE = { varint: 0, fixed64: 1, delimited: 2 } as const;

type Put = (writer: Writer, value: unknown) => void;

/** How each scalar type of the messages is written; every one throws RangeError for what it cannot hold. */
const scalars: Readonly<Record<string, { wire: number; put: Put }>> = {
  uint32: { wire: WIRE.varint, put: (w, v) => w.uint32(integer(v, 0, 2 ** 32 - 1)) },
  int32: { wire: WIRE.varint, put: (w, v) => w.int32(integer(v, -(2 ** 31), 2 ** 31 - 1)) },
  sint32: { wire: WIRE.varint, put: (w, v) => w.sint32(integer(v, -(2 ** 31), 2 ** 31 - 1)) },
  uint64: { wire: WIRE.varint, put: (w, v) => w.uint64(bits(v, 'unsigned')) },
  int64: { wire: WIRE.varint, put: (w, v) => w.int64(bits(v, 'signed')) },
  sint64: { wire: WIRE.varint, put: (w, v) => w.sint64(bits(v, 'signed')) },
  fixed64: { wire: WIRE.fixed64, put: (w, v) => w.fixed64(bits(v, 'unsigned')) },
  bool: { wire: WIRE.varint, put: (w, v) => w.bool(expect(v, typeof v === 'boolean')) },
  string: { wire: WIRE.delimited, put: (w, v) => w.bytes(cString(v)) },
  bytes: { wire: WIRE.delimited, put: (w, v) => w.bytes(expect(v, v instanceof Uint8Array)) },
};

/**
 * Bytes of one message.
 * Throws CkptError E_IMAGE_FIELD, naming message and field: a required field is missing, a field
 * is unknown, or its value is not one that it can hold.
 */
export function encode<M extends MessageName>(name: M, value: Input<Messages[M]>): Buffer {
  const writer = protobuf.Writer.create();
  append(writer, name, value);
  return writer.finish() as Buffer;
}

/** Like `encode`, into a writer that may hold more already. What it throws leaves a torn message there. */
export function append<M extends MessageName>(
  writer: Writer,
  name: M,
  value: Input<Messages[M]>,
): void {
  try {
    putMessage(writer, name, value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const place = [name, ...pathOf(error)].join('.');
    throw new CkptError('E_IMAGE_FIELD', `${place}: ${error.message}`, { field: place });
  }
}

function putMessage(writer: Writer, name: MessageName, value: unknown): void {
  const message = messageOf(name);
  const given = expect<Record<string, unknown>>(value, typeof value === 'object' && value !== null);
  for (const field of message.fields) putField(writer, field, given[field.name]);
  for (const key in given) {
    if (!message.byName.has(key)) throw at(key, new RangeError('there is no such field'));
  }
}

function putField(writer: Writer, field: Field, value: unknown): void {
  try {
    if (value === undefined) {
      if (field.rule === 'required') throw new RangeError('required, but missing');
    } else if (field.rule === 'repeated') {
      for (const item of expect<unknown[]>(value, Array.isArray(value))) {
        putValue(writer, field, item);
      }
    } else {
      putValue(writer, field, value);
    }
  } catch (error) {
    throw at(field.name, error);
  }
}

function putValue(writer: Writer, field: Field, value: unknown): void {
  if (field.message) {
    writer.uint32((field.id << 3) | WIRE.delimited).fork();
    putMessage(writer, field.message, value);
    writer.ldelim();
  } else if (field.values) {
    writer.uint32((field.id << 3) | WIRE.varint).int32(member(value, field.values));
  } else {
    const scalar = scalars[field.type]!;
    writer.uint32((field.id << 3) | scalar.wire);
    scalar.put(writer, value);
  }
}

function expect<T>(value: unknown, isRight: boolean): T {
  if (!isRight) throw new RangeError(`${describe(value)} does not fit`);
  return value as T;
}

function integer(value: unknown, min: number, max: number): number {
  const number = value as number;
  return expect(value, Number.isInteger(number) && number >= min && number <= max);
}

/** protobufjs takes halves where its types ask for a Long. */
function bits(value: unknown, sign: 'signed' | 'unsigned'): number {
  return toBits(value as U64, sign) as number;
}

function member(value: unknown, values: Readonly<Record<string, number>>): number {
  return expect(value, Object.values(values).includes(value as number));
}

/** CRIU reads strings as C does, to the first zero byte: one that holds a zero would be cut short. */
function cString(value: unknown): Buffer {
  return textToBytes(expect(value, typeof value === 'string' && !value.includes('\0')));
}

function describe(value: unknown): string {
  return inspect(value, { depth: 0, maxStringLength: 60, breakLength: Infinity });
}

const paths = new WeakMap<RangeError, string[]>();

/** The error, with the field it came from put before the fields that it knows of already. */
function at(field: string, error: unknown): unknown {
  if (error instanceof RangeError) paths.set(error, [field, ...pathOf(error)]);
  return error;
}

function pathOf(error: RangeError): string[] {
  return paths.get(error) ?? [];
}
