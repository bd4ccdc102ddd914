/** File names of images, and what a file's name tells. */

import { type Kind, kind, kinds } from './kinds.js';

/** What a number or word in a name looks like. */
const PATTERNS: Record<string, string> = { '%u': '(\\d+)', '%x': '([\\da-f]+)', '%s': '(\\w+)' };
const PLACE = /%[uxs]/;

/** What a kind's name needs besides the kind: a number, a word ("dump") or nothing. */
export type IdOf<K extends Kind> = K extends Kind ? Id<(typeof kinds)[K]['file']> : never;

type Id<File extends string> = File extends `${string}%s${string}`
  ? [id: string]
  : File extends `${string}%${string}`
    ? [id: number | bigint]
    : [];

/** The name of an image, for instance of CORE and 12: "core-12.img". */
export function fileName<K extends Kind>(name: K, ...[id]: IdOf<K>): string {
  return kind(name).file.replace(PLACE, (place) => id!.toString(place === '%x' ? 16 : 10));
}

let patterns: [Kind, RegExp][] | undefined;

/** The kind that a file's name says it is, with the id in it as it stands there. */
export function parseName(file: string): { kind: Kind; id: string } | undefined {
  patterns ??= (Object.keys(kinds) as Kind[]).map((name) => [name, pattern(name)]);
  for (const [name, expression] of patterns) {
    const match = expression.exec(file);
    if (match) return { kind: name, id: match[1] ?? '' };
  }
  return undefined;
}

function pattern(name: Kind): RegExp {
  const escaped = kind(name).file.replaceAll('.', '\\.');
  return new RegExp(`^${escaped.replace(PLACE, (place) => PATTERNS[place]!)}$`);
}
