// One dump of a target that is written to meanwhile, in each of the ways there are.
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { commandsOf, folderOf, needsMode, type Mode } from '../live/modes.js';
import { ckptInstalled } from '../support/paths.js';
import { Skip } from '../support/skip.js';
import type { Target } from '../support/target.js';
import { runCommand } from './command.js';
import { criu } from './dumpers.js';
import { warm } from './warm.js';

export type Way = 'criu' | 'skip-pages' | Mode;

export const TITLES: Record<Way, string> = {
  criu: 'criu dump',
  plain: 'ckpt dump',
  'skip-pages': 'ckpt dump --skip-pages',
  'max-pause': 'ckpt dump --max-pause 10ms',
  snapshot: 'ckpt dump --snapshot',
  chain: '4 x ckpt pre-dump, dump',
};

export interface LiveSample {
  /** The longest that the target saw, over all commands. */
  pauseMs: number;
  /** Of all commands, without the time between them; and of the last. */
  wallMs: number;
  lastMs: number;
  bytes: number;
  /** The part of the target's writes that did not come about while it was not paused; 0 without any. */
  loss: number;
}

/** Milliseconds between the dumps of a chain. */
const BETWEEN = 100;
const QUIET = 500;

const isMode = (way: Way): way is Mode => way !== 'criu' && way !== 'skip-pages';

/** Of TITLES, those that this ckpt has; tells what is left out. */
export async function waysHere(say: (line: string) => void): Promise<Way[]> {
  const here: Way[] = [];
  for (const way of Object.keys(TITLES) as Way[]) {
    try {
      if (isMode(way)) await needsMode(way);
      here.push(way);
    } catch (error) {
      if (!(error instanceof Skip)) throw error;
      say(`SKIP ${TITLES[way]}: ${error.message}`);
    }
  }
  return here;
}

function commands(way: Way, pid: number, dir: string): { images: string; words: string[] }[] {
  const images = join(dir, 'images');
  const plain = ['dump', '-t', `${pid}`, '-D', images, '-R'];
  const ckpt = [process.execPath, ckptInstalled];
  if (way === 'criu') return [{ images, words: [...criu(), ...plain, '-o', 'dump.log'] }];
  if (way === 'skip-pages') return [{ images, words: [...ckpt, ...plain, '--skip-pages'] }];
  return commandsOf(way, pid, dir, '-R').map((words) => ({
    images: folderOf(words),
    words: [...ckpt, ...words],
  }));
}

interface Report {
  pauseMs: number;
  pages: number;
  ms: number;
}

/** What the target has seen since it was asked last. */
async function reportOf(target: Target): Promise<Report> {
  await target.ask(60_000);
  const text = readFileSync(join(target.state, 'pause'), 'utf8');
  const [pause, pages, ns] = text.split(' ').map(Number);
  return { pauseMs: pause! / 1e6, pages: pages!, ms: ns! / 1e6 };
}

/** Pages a millisecond, pauses left out. */
const speed = ({ pages, ms, pauseMs }: Report): number => pages / (ms - pauseMs);

const sizeOf = (dir: string): number =>
  readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);

/** A chain leaves its target tracked, for the next of it: not so for the next measurement. */
async function untrack(pid: number): Promise<void> {
  const words = [ckptInstalled, 'track', 'stop', '-t', `${pid}`];
  await execa(process.execPath, words, { reject: false });
}

/** Dumps a target that runs, into folders in memory that are gone afterwards. */
export async function dumpIn(way: Way, target: Target, mib: number): Promise<LiveSample> {
  const dir = join(dirname(target.state), 'sets');
  mkdirSync(dir);
  try {
    if (way !== 'skip-pages') warm(dir, mib);
    await reportOf(target);
    await sleep(QUIET);
    const before = await reportOf(target);
    const walls: number[] = [];
    let bytes = 0;
    for (const { images, words } of commands(way, target.pid, dir)) {
      if (walls.length > 0) await sleep(BETWEEN);
      mkdirSync(images);
      walls.push((await runCommand(words, false)).wallMs);
      bytes += sizeOf(images);
    }
    const during = await reportOf(target);
    if (way === 'chain') await untrack(target.pid);
    const loss = before.pages > 0 ? 1 - speed(during) / speed(before) : 0;
    const wallMs = walls.reduce((sum, ms) => sum + ms, 0);
    return { pauseMs: during.pauseMs, wallMs, lastMs: walls.at(-1)!, bytes, loss };
  } finally {
    rmSync(dir, { recursive: true });
  }
}
