/**
 * The scalar types of the wire: what JSON has no type for travels as a string.
 */

/** A 64-bit quantity or an address: `"0x7f00deadbeef"`. */
export type Hex = string;
/** Bytes as base64. */
export type Bytes = string;
/** The number of a `file` frame, from 1. */
export type FileId = number;
