/**
 * Strings of images that need not be UTF-8: the kernel lets names be any bytes but zero.
 *
 * A byte that is no part of valid UTF-8 becomes the lone surrogate U+DC00 + byte and back again,
 * as Python does it (PEP 383), so that every name survives a string unharmed.
 */

import { isUtf8 } from 'node:buffer';

const ESCAPE = 0xdc00;
/** Lone surrogates; to a `u` expression a pair is one character. */
const LONE = /\p{Surrogate}/u;
/** Those that stand for a byte. */
const ESCAPED = /[\udc80-\udcff]/u;

/** Bytes as a string. */
export function bytesToText(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (isUtf8(buffer)) return buffer.toString('utf8');
  let text = '';
  for (let at = 0; at < buffer.length;) {
    const length = characterLength(buffer, at);
    text += length
      ? buffer.toString('utf8', at, at + length)
      : String.fromCharCode(ESCAPE + buffer[at]!);
    at += length || 1;
  }
  return text;
}

/** A string as bytes. Throws RangeError for a lone surrogate that stands for no byte. */
export function textToBytes(text: string): Buffer {
  if (!LONE.test(text)) return Buffer.from(text, 'utf8');
  const parts = Array.from(text, (character) => {
    if (ESCAPED.test(character)) return Buffer.of(character.charCodeAt(0) - ESCAPE);
    if (LONE.test(character)) throw new RangeError('a lone surrogate is no text');
    return Buffer.from(character, 'utf8');
  });
  return Buffer.concat(parts);
}

/** Length of the UTF-8 character at `at`, or 0 where there is none. */
function characterLength(buffer: Buffer, at: number): number {
  const lengths = [1, 2, 3, 4].filter((length) => at + length <= buffer.length);
  return lengths.find((length) => isUtf8(buffer.subarray(at, at + length))) ?? 0;
}
