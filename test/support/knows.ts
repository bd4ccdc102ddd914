// Which options this ckpt has: for tests of what another version of it cannot do yet.
import { execa } from 'execa';
import { ckptMain } from './paths.js';
import { Skip } from './skip.js';

const helps = new Map<string, Promise<string>>();

async function helpOf(command: string): Promise<string> {
  const words = [ckptMain, command, '--help'];
  const { stdout, exitCode } = await execa(process.execPath, words, { reject: false });
  return exitCode === 0 ? stdout : '';
}

/** Whether `ckpt COMMAND --help` lists the option. */
export async function knowsOption(command: string, option: string): Promise<boolean> {
  if (!helps.has(command)) helps.set(command, helpOf(command));
  return new RegExp(`(^|[ ,])${option}\\b`, 'm').test(await helps.get(command)!);
}

/** Skips a test of an option that this ckpt does not have. */
export async function needsOption(command: string, option: string): Promise<void> {
  if (await knowsOption(command, option)) return;
  throw new Skip(`ckpt ${command} has no ${option}`);
}
