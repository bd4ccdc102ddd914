// The two dumpers as commands, and one dump by either, seen from all sides.
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { DumpResult } from '../../src/dump/result.js';
import { ckptInstalled, oracleProgram } from '../support/paths.js';
import type { Target } from '../support/target.js';
import { runCommand } from './command.js';

export type Mode = 'ckpt skip' | 'ckpt full' | 'criu full';

export interface Sample {
  /** As the target saw it. */
  pauseMs: number;
  wallMs: number;
  bytes: number;
  peakKib: number;
  /** As ckpt itself tells it. */
  toldMs?: number;
}

/** CRIU without the shell of its wrapper, which would count against it. */
export function criu(): string[] {
  const root = join(dirname(oracleProgram('4.2.1', 'criu')), 'root');
  const lib = join(root, 'usr/lib/x86_64-linux-gnu');
  return [join(lib, 'ld-linux-x86-64.so.2'), '--library-path', lib, join(root, 'usr/sbin/criu')];
}

function commandOf(mode: Mode, pid: number, images: string): string[] {
  const dump = ['dump', '-t', `${pid}`, '-D', images, '-R', '-o', 'dump.log'];
  if (mode === 'criu full') return [...criu(), ...dump];
  const pages = mode === 'ckpt skip' ? ['--skip-pages'] : [];
  return [process.execPath, ckptInstalled, ...dump, '--json', ...pages];
}

/** The longest time that the target did not run since it was asked last. */
async function pauseOf(target: Target): Promise<number> {
  await target.ask(60_000);
  return parseFloat(readFileSync(join(target.state, 'pause'), 'utf8')) / 1e6;
}

/** Dumps a running target into a new folder in memory, which is gone afterwards. */
export async function dumpOnce(mode: Mode, target: Target, sample: boolean): Promise<Sample> {
  const images = join(dirname(target.state), 'images');
  mkdirSync(images);
  try {
    await pauseOf(target);
    const { wallMs, stdout, peakKib } = await runCommand(
      commandOf(mode, target.pid, images),
      sample,
    );
    const pauseMs = await pauseOf(target);
    const sizes = readdirSync(images).map((name) => statSync(join(images, name)).size);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    const told =
      mode === 'criu full' ? undefined : (JSON.parse(stdout) as DumpResult).pauseUs / 1000;
    return { pauseMs, wallMs, bytes, peakKib, ...(told !== undefined && { toldMs: told }) };
  } finally {
    rmSync(images, { recursive: true });
  }
}
