// One dump with one of its two processes killed in the middle, and what must hold afterwards.
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { descendants, procText, threadsOf } from '../support/proc.js';
import type { Target } from '../support/target.js';
import { until } from '../support/until.js';
import { DumpCommand } from './command.js';
import { kindsIn, looksComplete, mustBeWhole } from './set.js';
import { sameAgain, settled } from './snapshot.js';

export type Victim = 'orchestrator' | 'helper';

/** How dumps of a target go when nobody disturbs them. */
export interface Habit {
  /** Milliseconds since the start: the helper comes, the tree stops, goes on, and all is over. */
  helperMs: number;
  frozenMs: number;
  thawedMs: number;
  endMs: number;
  /** The kinds of images that a whole set of it has. */
  kinds: string;
}

export interface Kill {
  victim: Victim;
  /** Let the tree run on after the dump, as --leave-running; or end it. */
  leaveRunning: boolean;
  /** A part of the time from the victim's start to the dump's end, or of the freeze, from 0 to 1. */
  at: number;
  of: 'dump' | 'freeze';
}

/** What came of it: no set, or a whole one, which the target need not survive; or it came too late. */
export type End = 'no set' | 'whole set' | 'missed';

const isTraced = (pid: number): boolean =>
  !/^TracerPid:\s+0$/m.test(procText(`/proc/${pid}/status`) || 'TracerPid:\t0');

export const hasEnded = ({ keeper }: Target): boolean => keeper.ended.has(keeper.started);

function wordsOf(target: Target, images: string, leaveRunning: boolean): string[] {
  return ['-t', `${target.pid}`, '-D', images, ...(leaveRunning ? ['-R'] : [])];
}

/** Threads of a whole tree. */
const threadsIn = (root: number): number => [root, ...descendants(root)].flatMap(threadsOf).length;

function emptyFolder(images: string): void {
  rmSync(images, { recursive: true, force: true });
  mkdirSync(images);
}

/** Watches three dumps that leave the tree running; the habit is that of the middle one. */
export async function observe(target: Target, images: string): Promise<Habit> {
  const seen: Habit[] = [];
  for (let i = 0; i < 3; i++) {
    seen.push(await observeOnce(target, images));
    await target.ask();
  }
  return seen.sort((a, b) => a.endMs - b.endMs)[1]!;
}

async function observeOnce(target: Target, images: string): Promise<Habit> {
  emptyFolder(images);
  const dump = await DumpCommand.start(wordsOf(target, images, true));
  const since = (): number => performance.now() - dump.start;
  const when = (condition: () => boolean): number => {
    while (dump.isRunning && !condition());
    return since();
  };
  const helperMs = when(() => dump.helper !== undefined);
  const frozenMs = when(() => isTraced(target.pid));
  const thawedMs = when(() => !isTraced(target.pid));
  const code = await dump.ended();
  if (code !== 0) throw new Error(`an undisturbed dump ended with ${code}`);
  return { helperMs, frozenMs, thawedMs, endMs: since(), kinds: kindsIn(images) };
}

/** Waits for the moment of the kill; the last milliseconds without sleep, so as not to miss it. */
async function moment(kill: Kill, habit: Habit, dump: DumpCommand, root: number): Promise<void> {
  const spin = (ms: number): void => {
    for (const start = performance.now(); performance.now() - start < ms;);
  };
  if (kill.of === 'freeze') {
    while (dump.isRunning && !isTraced(root));
    return spin(kill.at * (habit.thawedMs - habit.frozenMs));
  }
  const first = kill.victim === 'helper' ? habit.helperMs : 0;
  const due = dump.start + first + kill.at * (habit.endMs - first);
  await sleep(Math.max(0, due - performance.now() - 3));
  spin(due - performance.now());
}

/** Whether the tree has been ended, as a dump may do whose set is whole; that takes it a moment. */
async function wasEnded(target: Target, mayEnd: boolean): Promise<boolean> {
  if (mayEnd) await until('end of the tree', () => hasEnded(target), 200).catch(() => undefined);
  return hasEnded(target);
}

/**
 * What the death of a helper in the middle of a call costs: the thread heals by rt_sigreturn, by
 * which the kernel forgets how to restart the calls that need restart_syscall(2). They end early,
 * as by a signal; nothing else may.
 */
const INTERRUPTED = /^(nanosleep|clock_nanosleep|poll|futex(, absolute)?): EINTR 1 times$/;

async function checkSurvivor(target: Target, before: string[], victim: Victim): Promise<void> {
  await sameAgain(target.pid, before);
  await target.ask().catch((error: Error) => {
    const faults = error.message.split('\n').slice(1);
    const excused = faults.length > 0 && faults.every((fault) => INTERRUPTED.test(fault));
    if (victim !== 'helper' || !excused) throw error;
  });
}

/** Dumps, kills, and checks; throws what does not hold. */
export async function killOnce(
  target: Target,
  images: string,
  kill: Kill,
  habit: Habit,
): Promise<End> {
  emptyFolder(images);
  const before = await settled(target.pid);
  const threads = threadsIn(target.pid);
  const dump = await DumpCommand.start(wordsOf(target, images, kill.leaveRunning));
  await moment(kill, habit, dump, target.pid);
  const hit = dump.kill(kill.victim);
  const code = await dump.ended();

  const whole = looksComplete(images);
  if (whole) await mustBeWhole(images, habit.kinds, threads);
  const mayEnd = whole && !kill.leaveRunning;
  if (!(await wasEnded(target, mayEnd))) await checkSurvivor(target, before, kill.victim);
  else if (!mayEnd) throw new Error('the target has ended');
  if (kill.victim === 'helper' && !whole) {
    if (code !== 1) throw new Error(`ckpt ended with ${code} after its helper was killed`);
    const left = readdirSync(images);
    if (left.length > 0) throw new Error(`ckpt left ${left.join(' ')}`);
  }
  if (!hit) return 'missed';
  return whole ? 'whole set' : 'no set';
}
