/**
 * 64-bit values, in all the shapes that callers have them in.
 *
 * The helper sends "0x7f00deadbeef", counts are plain numbers, the kernel's masks are easiest as
 * bigint, images are read as Long. protobufjs turns a bigint into 0 without an error and rounds
 * numbers above 2^53, so every 64-bit value goes through here before it is written.
 */

import type Long from 'long';

/** A 64-bit value: a whole number within +-2^53, a bigint, a Long, or hex digits after "0x". */
export type U64 = number | bigint | string | Long;

/** The two 32-bit halves of a 64-bit value in two's complement, as protobufjs takes them. */
export interface Bits {
  low: number;
  high: number;
}

const HEX = /^0x([0-9a-f]{1,16})$/i;
const LIMITS = {
  unsigned: { min: 0n, max: 2n ** 64n - 1n },
  signed: { min: -(2n ** 63n), max: 2n ** 63n - 1n },
};

/** The value as a bigint. A hex string is unsigned. Throws RangeError where it is none. */
export function toBigInt(value: U64): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  if (typeof value === 'string' && HEX.test(value)) return BigInt(value);
  if (isLong(value)) {
    const high = value.unsigned ? value.high >>> 0 : value.high;
    return (BigInt(high) << 32n) | BigInt(value.low >>> 0);
  }
  throw new RangeError(`${String(value)} is no 64-bit value`);
}

/**
 * The value as protobufjs can write it without loss.
 * Throws RangeError where it is no whole number or outside of the 64 bits.
 */
export function toBits(value: U64, sign: 'signed' | 'unsigned'): number | Bits {
  // What is most common by far, and by the million in pagemaps.
  if (typeof value === 'number' && Number.isSafeInteger(value)) {
    if (value >= 0 || sign === 'signed') return value;
  }
  const wide = toBigInt(value);
  const { min, max } = LIMITS[sign];
  if (wide < min || wide > max) throw new RangeError(`${String(value)} is out of range`);
  return { low: Number(wide & 0xffffffffn), high: Number((wide >> 32n) & 0xffffffffn) };
}

/** By shape, not by class: two copies of the package may be loaded. */
function isLong(value: unknown): value is Long {
  const { low, high } = (value ?? {}) as Partial<Bits>;
  return Number.isInteger(low) && Number.isInteger(high);
}
