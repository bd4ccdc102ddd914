/** The value of one option, from the word that was typed to what it means. */

import { CkptError } from '../errors.js';
import type { Option } from './options.js';

/** CRIU's level where nothing is said: errors and warnings. */
const DEFAULT_LEVEL = 2;

const UNITS: Record<string, number> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** An option as typed; `rawName` has its dashes. */
export interface Word {
  name: string;
  rawName: string;
  value?: string | undefined;
}

/** What `word` means; `before` is what earlier words of the same option meant. Throws E_USAGE. */
export function readValue(word: Word, option: Partial<Option>, before: unknown): unknown {
  const { rawName, value = option.implied } = word;
  if (!option.value) {
    if (value !== undefined) throw usage(`${rawName} takes no value`);
    return true;
  }
  if (option.type === 'level' && value === undefined) {
    return ((before as number | undefined) ?? DEFAULT_LEVEL) + 1;
  }
  if (value === undefined || value === '') throw usage(`${rawName} needs a value: ${option.value}`);
  if (option.type === 'list') return [...((before as string[] | undefined) ?? []), value];
  if (option.type === 'size') return size(rawName, value);
  if (option.type === 'time') return milliseconds(rawName, value);
  return option.type ? wholeNumber(rawName, value) : value;
}

function wholeNumber(rawName: string, text: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(number)) return number;
  throw usage(`${rawName}: '${text}' is not a number`);
}

/** CRIU's sizes: bytes, or with a suffix K, M or G. */
function size(rawName: string, text: string): number {
  const [, digits, unit] = /^(\d+)([KMG]?)$/.exec(text) ?? [];
  const bytes = Number(digits) * UNITS[unit!]!;
  if (Number.isSafeInteger(bytes)) return bytes;
  throw usage(`${rawName}: '${text}' is not a size such as 64K, 8M or 1G`);
}

/** A time with its unit, in milliseconds. */
function milliseconds(rawName: string, text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(text) ?? [];
  if (digits !== undefined) return Number(digits) * (unit === 's' ? 1000 : 1);
  throw usage(`${rawName}: '${text}' is not a time such as 10ms or 1s`);
}

function usage(message: string): CkptError {
  return new CkptError('E_USAGE', message);
}

/** The library's names of options are CRIU's, in camel case. */
export function camelCased(values: Record<string, unknown>): Record<string, unknown> {
  const rename = (name: string) =>
    name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [rename(name), value]));
}
