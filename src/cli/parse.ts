/**
 * The command line, read as getopt_long reads CRIU's: options and operands in any order, `-t5`,
 * `-jR`, `-Ddir`, `--tree=5`, `--no-shell-job`. Node's parser finds the words; what they mean is
 * in the tables. (yargs, which prints the help, costs 60 ms to load: more than a small dump.)
 */

import { parseArgs } from 'node:util';
import { CkptError } from '../errors.js';
import { FOREIGN_OPTIONS, type ForeignOption } from './criu-options.js';
import { nearest } from './nearest.js';
import type { Option } from './options.js';
import { readValue, type Word } from './values.js';

export interface CommandLine {
  operands: string[];
  /** By long name; an option that was not given is absent. */
  values: Record<string, unknown>;
}

/** What the parser must know of any option; `group` marks the honoured ones, `why` the others. */
type Known = Partial<Option> & Partial<ForeignOption>;

const COMMON: Record<string, Known> = { help: { short: 'h' }, version: { short: 'V' } };

/** Throws CkptError E_USAGE (unknown option, bad value) or E_UNSUPPORTED_OPTION (CRIU's, not honoured). */
export function parse(argv: string[], options: Record<string, Option>): CommandLine {
  const known = new Map<string, Known>(
    [FOREIGN_OPTIONS, options, COMMON].flatMap((table) => Object.entries(table)),
  );
  const line: CommandLine = { operands: [], values: {} };
  const foreign: string[] = [];
  for (const token of tokenize(argv, known)) {
    if (token.kind === 'positional') line.operands.push(token.value);
    if (token.kind === 'option') take(token, known, line.values, foreign);
  }
  if (foreign[0]) throw notHonoured(foreign[0], 'skip-pages' in line.values);
  return line;
}

function tokenize(argv: string[], known: Map<string, Known>) {
  const options: Record<string, { type: 'string' | 'boolean'; short?: string }> = {};
  for (const [name, { short, value, implied, type }] of known) {
    const takesNextWord = value && !implied && type !== 'level';
    options[name] = { type: takesNextWord ? 'string' : 'boolean', ...(short && { short }) };
  }
  return parseArgs({ args: argv.map(spellLevel), options, strict: false, tokens: true }).tokens;
}

/** `-v4` is a level; the parser would see two switches. */
function spellLevel(word: string): string {
  return word.replace(/^-v(\d+)$/, '--verbosity=$1');
}

function take(
  word: Word,
  known: Map<string, Known>,
  values: Record<string, unknown>,
  foreign: string[],
): void {
  const negated = negatedSwitch(word.name, known);
  const name = negated ?? word.name;
  const option = known.get(name);
  if (!option) throw unknown(word.rawName, known.keys());
  if (negated) values[name] = false;
  else if (option.why) foreign.push(name);
  else values[name] = readValue(word, option, values[name]);
}

/** The switch that `--no-NAME` turns off. */
function negatedSwitch(name: string, known: Map<string, Known>): string | undefined {
  if (known.has(name) || !name.startsWith('no-')) return undefined;
  const option = known.get(name.slice(3));
  return option && !option.value ? name.slice(3) : undefined;
}

function unknown(rawName: string, names: Iterable<string>): CkptError {
  const meant = rawName.startsWith('--') && nearest(rawName.slice(2), names);
  const remedy = meant ? `did you mean --${meant}?` : 'see `ckpt --help`';
  return new CkptError('E_USAGE', `unknown option ${rawName}`, { remedy });
}

function notHonoured(name: string, isWithSkipPages: boolean): CkptError {
  const { why, withSkipPages } = FOREIGN_OPTIONS[name]!;
  const text =
    isWithSkipPages && withSkipPages
      ? `--skip-pages with --${name}: ${withSkipPages}`
      : `--${name}: ${why}`;
  return new CkptError('E_UNSUPPORTED_OPTION', text);
}
