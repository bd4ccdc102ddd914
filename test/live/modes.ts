// The ways to dump a tree that goes on meanwhile, each as the commands that a user would type.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import type { DumpResult } from '../../src/dump/result.js';
import { needsOption } from '../support/knows.js';
import { ckptMain } from '../support/paths.js';

/** A whole dump at one freeze; in rounds; four pre-dumps and a dump; of the first freeze's memory. */
export type Mode = 'plain' | 'max-pause' | 'chain' | 'snapshot';

export const LIVE_MODES: Mode[] = ['max-pause', 'chain', 'snapshot'];

const PRE_DUMPS = 4;

export interface LiveOptions {
  /** What becomes of the tree: `-R` or `-s`. */
  then: '-R' | '-s';
  /** Milliseconds that the tree runs between the dumps of a chain. */
  betweenMs?: number;
}

/** Throws Skip where this ckpt cannot dump so. */
export async function needsMode(mode: Mode): Promise<void> {
  if (mode === 'chain') await needsOption('pre-dump', '--track-mem');
  else if (mode !== 'plain') await needsOption('dump', `--${mode}`);
}

/** The commands of a mode, in their order, for images below `dir`; the last makes the set itself. */
export function commandsOf(mode: Mode, pid: number, dir: string, then: '-R' | '-s'): string[][] {
  const tree = ['-t', `${pid}`, '-D'];
  if (mode === 'plain') return [['dump', ...tree, join(dir, 'images'), then]];
  if (mode === 'snapshot') return [['dump', ...tree, join(dir, 'images'), then, '--snapshot']];
  if (mode === 'max-pause') {
    return [
      ['dump', ...tree, join(dir, 'images'), then, '--max-pause', '10ms', '--on-slow', 'dump'],
    ];
  }
  const after = (n: number): string[] => (n > 1 ? ['--prev-images-dir', `../${n - 1}`] : []);
  const last = PRE_DUMPS + 1;
  return [
    ...Array.from({ length: PRE_DUMPS }, (_, i) => i + 1).map((n) => [
      ...['pre-dump', ...tree, join(dir, `${n}`), '--track-mem', ...after(n)],
    ]),
    ['dump', ...tree, join(dir, `${last}`), then, '--track-mem', ...after(last)],
  ];
}

/** The folder that a command writes to. */
export const folderOf = (command: string[]): string => command[command.indexOf('-D') + 1]!;

async function run(words: string[]): Promise<DumpResult> {
  await mkdir(folderOf(words), { recursive: true });
  const command = [ckptMain, ...words, '--json'];
  const { failed, exitCode, all, stdout } = await execa(process.execPath, command, {
    all: true,
    reject: false,
    timeout: 120_000,
    killSignal: 'SIGKILL',
  });
  if (failed) throw new Error(`ckpt ${words.join(' ')}: ${exitCode}\n${all}`);
  return JSON.parse(stdout) as DumpResult;
}

/** Dumps a tree into folders below `dir`, a new one; resolves to that of the whole set. */
export async function dumpLive(
  mode: Mode,
  pid: number,
  dir: string,
  { then, betweenMs = 50 }: LiveOptions,
): Promise<string> {
  const commands = commandsOf(mode, pid, dir, then);
  for (const [n, command] of commands.entries()) {
    if (n > 0) await sleep(betweenMs);
    const { live } = await run(command);
    if (mode === 'max-pause' && !live?.rounds)
      throw new Error('nothing was copied before the freeze');
  }
  return folderOf(commands.at(-1)!);
}
