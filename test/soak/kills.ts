// Many kills, of both processes, at random moments, of targets with different states.
import { join } from 'node:path';
import { Target } from '../support/target.js';
import { withTemp } from '../support/temp.js';
import {
  hasEnded,
  killOnce,
  observe,
  type End,
  type Habit,
  type Kill,
  type Victim,
} from './kill.js';

/** Threads with masks, calls that wait, vector registers, timers, signals, a tree that shares memory. */
const TARGETS: [name: string, ...args: string[]][] = [
  ['threads', '40'],
  ['blocked'],
  ['timeouts'],
  ['registers'],
  ['posixtimers'],
  ['sigpending'],
  ['family'],
];

export interface Plan {
  /** Of each victim, at any moment of a dump. */
  anywhere: number;
  /** Of each victim, while the tree is frozen. */
  frozen: number;
  random: () => number;
}

const VICTIMS: Victim[] = ['orchestrator', 'helper'];

function plannedKills({ anywhere, frozen, random }: Plan): Kill[] {
  const kills = (count: number, of: Kill['of'], victim: Victim): Kill[] =>
    Array.from({ length: count }, (_, i) => ({
      ...{ victim, of, leaveRunning: i % 2 === 0, at: random() },
    }));
  return VICTIMS.flatMap((victim) => [
    ...kills(anywhere, 'dump', victim),
    ...kills(frozen, 'freeze', victim),
  ]);
}

/** A target and the kills that it is to survive; a new one takes its place where a dump has ended it. */
async function killAll(name: string, args: string[], kills: Kill[]): Promise<End[]> {
  return withTemp(async (dir) => {
    const ends: End[] = [];
    let target: Target | undefined;
    let habit: Habit | undefined;
    try {
      for (const left = [...kills]; left.length > 0;) {
        const kill = left.shift()!;
        if (!target || hasEnded(target)) {
          await target?.end();
          target = await Target.start(name, join(dir, `state${ends.length}`), args);
        }
        habit ??= await observe(target, join(dir, 'images'));
        const end = await attempt(target, join(dir, 'images'), kill, habit);
        left.unshift(...sooner(kill, end));
        ends.push(end);
      }
    } finally {
      await target?.end();
    }
    return ends;
  });
}

/** A kill that came too late is no kill: again, and sooner. */
function sooner(kill: Kill, end: End): Kill[] {
  return end === 'missed' && kill.at > 0.01 ? [{ ...kill, at: kill.at * 0.7 }] : [];
}

async function attempt(target: Target, images: string, kill: Kill, habit: Habit): Promise<End> {
  try {
    return await killOnce(target, images, kill, habit);
  } catch (error) {
    const what = `${kill.victim} killed at ${kill.at.toFixed(3)} of the ${kill.of}`;
    const then = kill.leaveRunning ? '--leave-running' : 'to be ended';
    throw new Error(`${what}, ${then}: ${(error as Error).message}`, { cause: error });
  }
}

/** Carries the plan out, each target getting its share. Resolves to how the dumps ended; throws at a fault. */
export async function kills(plan: Plan, say: (line: string) => void): Promise<void> {
  const planned = plannedKills(plan);
  for (const [i, [name, ...args]] of TARGETS.entries()) {
    const share = planned.filter((_, n) => n % TARGETS.length === i);
    if (share.length === 0) continue;
    const ends = await killAll(name, args, share).catch((error: Error) => {
      throw new Error(`${name}: ${error.message}`, { cause: error });
    });
    const count = (what: End): number => ends.filter((end) => end === what).length;
    const [early, late] = [count('no set'), count('whole set')];
    say(`${name}: ${early + late} kills survived, ${late} of them after the set was whole`);
  }
}
