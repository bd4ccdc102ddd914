/** A command line of which only a part is ours: the rest goes on, as it is, to another program. */

import { FOREIGN_OPTIONS } from './criu-options.js';
import { DUMP_OPTIONS, type Option } from './options.js';
import { readValue, type Word } from './values.js';

/** Options that are ours, by long name, and all other words in their order. Throws CkptError E_USAGE. */
export function splitOwn(
  words: string[],
  own: Record<string, Option>,
): { values: Record<string, unknown>; rest: string[] } {
  const values: Record<string, unknown> = {};
  const rest: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === '--') {
      rest.push(...words.slice(i));
      break;
    }
    const found = find(word, own);
    if (!found) {
      rest.push(word);
      if (takesNextWord(word) && i + 1 < words.length) rest.push(words[++i]!);
      continue;
    }
    const { name, value } = found;
    const option = own[name]!;
    const next = option.value && value === undefined ? words[++i] : value;
    const read: Word = { name, rawName: `--${name}`, value: next };
    values[name] = readValue(read, option, values[name]);
  }
  return { values, rest };
}

/** `--from=x`, `--from`, `-D`, `-Ddir`: which option it is, and the value that stands in the word. */
function find(
  word: string,
  own: Record<string, Option>,
): { name: string; value?: string | undefined } | undefined {
  const [, long, value] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
  if (long !== undefined) return Object.hasOwn(own, long) ? { name: long, value } : undefined;
  const [, letter, text] = /^-([^-])(.*)$/s.exec(word) ?? [];
  if (letter === undefined) return undefined;
  const entry = Object.entries(own).find(([, { short }]) => short === letter);
  return entry && { name: entry[0], value: text || undefined };
}

/** One of criu's options whose value is the next word, which is not to be taken for an option. */
function takesNextWord(word: string): boolean {
  const known = { ...FOREIGN_OPTIONS, ...DUMP_OPTIONS } as Record<string, Partial<Option>>;
  const option = word.startsWith('--')
    ? known[word.slice(2)]
    : Object.values(known).find(({ short }) => short && word === `-${short}`);
  return Boolean(option?.value && !option.implied && option.type !== 'level');
}
