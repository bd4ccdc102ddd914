// Dumps beside which the target runs, whose orchestrator or helper is killed in the middle: the target runs
// on as if there had been none.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { dump } from '../../src/index.js';
import { median } from '../bench/goals.js';
import { DumpCommand } from '../soak/command.js';
import type { Victim } from '../soak/kill.js';
import { looksComplete } from '../soak/set.js';
import { sameAgain, settled } from '../soak/snapshot.js';
import { descendants, procText } from '../support/proc.js';
import { Target } from '../support/target.js';
import { withTemp } from '../support/temp.js';
import { until } from '../support/until.js';
import { nsPerPage } from './cost.js';
import { needsMode } from './modes.js';

/** More is written in a millisecond than a pause of that length allows: rounds go on to their end. */
const STAMPER = ['64', '1000'];
const OPTIONS = {
  'max-pause': ['--max-pause', '1ms', '--max-rounds', '12'],
  snapshot: ['--snapshot'],
};

/** The dumps that watch the memory of a tree while it runs, or have it kept, and leave nothing of that. */
export type Watching = keyof typeof OPTIONS;

/** What is left of tracking would cost a page some microseconds: far more than its own half. */
const SLOWER = 1.15;

interface Scene {
  mode: Watching;
  target: Target;
  images: string;
}

function start({ mode, target, images }: Scene): Promise<DumpCommand> {
  rmSync(images, { recursive: true, force: true });
  mkdirSync(images);
  return DumpCommand.start(['-t', `${target.pid}`, '-D', images, '-R', ...OPTIONS[mode]]);
}

/** How long such a dump takes when nobody disturbs it, whatever comes of it; it has to hold memory. */
async function undisturbed(scene: Scene): Promise<number> {
  const command = await start(scene);
  let seen = false;
  while (command.isRunning) {
    seen ||= watched(scene.target.pid).length > 0 || childrenOf(scene.target).some(isAlive);
    await sleep(5);
  }
  await command.ended();
  if (!seen) throw new Error(`no dump was seen to hold the memory of its target: ${scene.mode}`);
  return performance.now() - command.start;
}

/** Mappings that a userfaultfd watches: `um`, `uw` and `ui` of proc_pid_smaps(5). */
export function watched(pid: number): string[] {
  const flags = procText(`/proc/${pid}/smaps`).match(/^VmFlags:.*$/gm) ?? [];
  return flags.filter((line) => / u[mwi]\b/.test(line));
}

/** Snapshot children, as /proc/PID/stat tells of them. */
function childrenOf({ pid }: Target): string[] {
  const stats = descendants(pid).map((child) => procText(`/proc/${child}/stat`));
  return stats.filter((stat) => stat.includes('(ckpt-snapshot)'));
}

const isAlive = (stat: string): boolean => !stat.includes(') Z ');

/** What a helper leaves that is killed is dead, and goes with the next dump. */
async function takeChildrenAway({ target, images }: Scene): Promise<void> {
  if (childrenOf(target).length === 0) return;
  await until('the end of snapshot children', () => !childrenOf(target).some(isAlive));
  await dump({ tree: target.pid, imagesDir: images, leaveRunning: true, skipPages: 'all' });
}

/** Kills one of the two at a moment; whether it was still there. */
async function killOnce(scene: Scene, victim: Victim, atMs: number): Promise<boolean> {
  const { target, images } = scene;
  const before = await settled(target.pid);
  const command = await start(scene);
  await sleep(Math.max(0, atMs - (performance.now() - command.start)));
  const hit = command.kill(victim);
  await command.ended();
  if (hit && victim === 'orchestrator' && looksComplete(images)) return false; // at its very end
  if (victim === 'helper') await takeChildrenAway(scene);
  await sameAgain(target.pid, before);
  const left = watched(target.pid);
  if (left.length > 0) throw new Error(`${left.length} mappings are still watched: ${left[0]}`);
  await target.ask();
  return hit;
}

/** Kills `times` dumps at random moments; throws where the target is not as before. */
export async function liveKills(
  mode: Watching,
  times: number,
  random: () => number,
  say: (line: string) => void,
): Promise<void> {
  await needsMode(mode);
  await withTemp(async (dir) => {
    const target = await Target.start('stamper', join(dir, 'state'), STAMPER);
    const scene = { mode, target, images: join(dir, 'images') };
    try {
      const wholeMs = median([await undisturbed(scene), await undisturbed(scene)]);
      const costs: { before: number; after: number }[] = [];
      for (let hits = 0; hits < times;) {
        const victim = random() < 0.5 ? 'orchestrator' : 'helper';
        const at = random() * wholeMs;
        const before = await nsPerPage(target);
        const hit = await killOnce(scene, victim, at).catch((error: Error) => {
          const what = `${victim} killed after ${at.toFixed(0)} of ${wholeMs.toFixed(0)} ms`;
          throw new Error(`${what}: ${error.message}`, { cause: error });
        });
        if (!hit) continue;
        hits++;
        costs.push({ before, after: await nsPerPage(target) });
      }
      judge(costs, (text) => say(`${mode}, of ${wholeMs.toFixed(0)} ms: ${text}`));
    } finally {
      await target.end();
    }
  });
}

/** A few kills say little: a slowdown is told from noise by the median of many. */
function judge(costs: { before: number; after: number }[], say: (line: string) => void): void {
  const slower = median(costs.map(({ before, after }) => after / before));
  const ns = median(costs.map(({ after }) => after));
  const cost = `a page then takes ${ns.toFixed(0)} ns, ${slower.toFixed(2)} x as before`;
  say(`${costs.length} kills survived; ${cost}`);
  if (costs.length >= 50 && slower > SLOWER) throw new Error(`the target is ${slower} x as slow`);
}
