/** `--help`, laid out by yargs from the tables of options. */

import yargs from 'yargs';
import { COMMANDS } from './commands.js';
import type { Option } from './options.js';

const WIDTH = 100;

/** The help of a command, or of ckpt as a whole. */
export function helpText(name?: string): Promise<string> {
  const page = yargs([]).scriptName('ckpt').locale('en').help(false).version(false).wrap(WIDTH);
  const command = name === undefined ? undefined : COMMANDS[name];
  if (!command) {
    for (const [word, { summary }] of Object.entries(COMMANDS)) page.command(word, summary);
    return page.usage('ckpt COMMAND [options]').epilog('ckpt COMMAND --help tells more').getHelp();
  }
  page.usage(`${command.usage}\n\n${command.summary}`);
  for (const [name, option] of Object.entries(command.options)) {
    const { group, short, help } = option;
    page.option(spelling(name, option), { describe: help, group: `${group}:`, alias: short ?? [] });
  }
  return page.getHelp();
}

/** As it is typed, value and all: for yargs, which prints no names of values, this is the name. */
function spelling(name: string, { value, implied, type }: Option): string {
  if (!value) return name;
  return implied || type === 'level' ? `${name}[=${value}]` : `${name} ${value}`;
}
