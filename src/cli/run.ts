/** From the words of a command line to an exit code; every failure is one line, or one JSON object. */

import { asCkptError, CkptError } from '../errors.js';
import { COMMANDS, type Command } from './commands.js';
import { FOREIGN_OPTIONS } from './criu-options.js';
import { nearest } from './nearest.js';
import { DUMP_OPTIONS, type Option } from './options.js';
import { parse, type CommandLine } from './parse.js';
import { print, printError } from './print.js';

/** Runs one command; resolves to the exit code: 0 done, 1 failed, 2 the command line is wrong. */
export async function run(argv: string[]): Promise<number> {
  try {
    const [name, ...words] = argv;
    if (name !== undefined && Object.hasOwn(COMMANDS, name) && COMMANDS[name]!.passesOn)
      return await passOn(name, words);
    return await dispatch(parse(argv, optionsFor(argv)));
  } catch (thrown) {
    const error = asCkptError(thrown);
    printError(error, argv.includes('--json'));
    return error.exitCode;
  }
}

/**
 * The options to read a command line by: those of the command that it names, and of the others
 * whatever does not contradict them, so that an option in the wrong place is called by its name.
 */
function optionsFor(argv: string[]): Record<string, Option> {
  const name = argv.find((word) => Object.hasOwn(COMMANDS, word));
  const own = name === undefined ? DUMP_OPTIONS : COMMANDS[name]!.options;
  const taken = Object.values(own).map(({ short }) => short);
  const others = Object.values(COMMANDS).flatMap(({ options }) => Object.entries(options));
  // What CRIU's option of the name does not do here is said by criu-options.ts.
  const unknown = others.filter(([long]) => !Object.hasOwn(FOREIGN_OPTIONS, long));
  const rest = unknown.map(([long, { short, ...option }]) => {
    return [long, taken.includes(short) ? option : { short, ...option }] as const;
  });
  return { ...Object.fromEntries(rest), ...own } as Record<string, Option>;
}

/** A command that takes another program's options beside its own. */
async function passOn(name: string, words: string[]): Promise<number> {
  const { options, load } = COMMANDS[name]!;
  const { splitOwn } = await import('./pass-on.js');
  const { values, rest } = splitOwn(words, options);
  if (values.help) return show(await (await import('./help.js')).helpText(name));
  return (await load()).run({ ...values, rest });
}

async function dispatch({ operands: [name, ...rest], values }: CommandLine): Promise<number> {
  if (values.version) return show((await import('./version.js')).versionLine());
  const command = name === undefined ? undefined : findCommand(name);
  if (values.help || !command) {
    const { helpText } = await import('./help.js');
    if (values.help) return show(await helpText(name));
    throw usage(
      'a command is missing',
      `one of ${Object.keys(COMMANDS).join(', ')}; see \`ckpt --help\``,
    );
  }
  const { operand } = command;
  if (operand !== undefined && rest.length > 0) values[operand] ??= rest.shift();
  if (rest.length > 0) throw usage(`unexpected argument '${rest[0]}'`);
  for (const option of Object.keys(values)) {
    if (!Object.hasOwn(command.options, option))
      throw usage(`ckpt ${name} has no option --${option}`);
  }
  const { run } = await command.load();
  return run(values);
}

function findCommand(name: string): Command {
  if (Object.hasOwn(COMMANDS, name)) return COMMANDS[name]!;
  const meant = nearest(name, Object.keys(COMMANDS));
  throw usage(`unknown command '${name}'`, meant ? `did you mean ${meant}?` : 'see `ckpt --help`');
}

function show(text: string): number {
  print(text);
  return 0;
}

function usage(message: string, remedy?: string): CkptError {
  return new CkptError('E_USAGE', message, { remedy });
}
