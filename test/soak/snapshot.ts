// A tree as seen from outside: whatever a dump could leave behind in it would show here.
import { readlinkSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/until.js';
import { descendants, procText, threadsOf } from '../support/proc.js';

// Pending signals are left out: a target's own timers change them.
const FIELDS = ['TracerPid', 'SigBlk', 'SigIgn', 'SigCgt', 'Seccomp'];

/** The lines of a thread that a dump must not change, and whether it is held. */
function threadLines(pid: number, tid: number): string[] {
  const status = procText(`/proc/${pid}/task/${tid}/status`);
  const value = (name: string): string =>
    new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1] ?? '';
  const held = 'tT'.includes(value('State') || '-') ? 'held' : 'free';
  return [`thread ${tid} ${held}`, ...FIELDS.map((name) => `thread ${tid} ${name} ${value(name)}`)];
}

function descriptorLines(pid: number): string[] {
  try {
    const fds = readdirSync(`/proc/${pid}/fd`);
    return fds.map((fd) => `fd ${fd} ${readlinkSync(`/proc/${pid}/fd/${fd}`)}`);
  } catch {
    return [];
  }
}

function processLines(pid: number): string[] {
  const maps = procText(`/proc/${pid}/maps`).trimEnd().split('\n');
  const lines = [
    ...maps.map((line) => `map ${line}`),
    ...descriptorLines(pid),
    ...threadsOf(pid).flatMap((tid) => threadLines(pid, tid)),
  ];
  return lines.map((line) => `${pid} ${line}`);
}

/** Mappings, descriptors, threads with their signals and tracers, of all processes from `root` on. */
export function snapshot(root: number): string[] {
  return [root, ...descendants(root)].flatMap(processLines);
}

/** The same of a tree that has come to rest: a target may still be at work after its last answer. */
export async function settled(root: number): Promise<string[]> {
  let last = snapshot(root);
  const rest = async (): Promise<string[] | false> => {
    await sleep(10);
    const next = snapshot(root);
    return differences(last, (last = next)).length === 0 && next;
  };
  return until('rest of the target', rest);
}

function differences(before: string[], after: string[]): string[] {
  const [old, young] = [new Set(before), new Set(after)];
  return [
    ...before.filter((line) => !young.has(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !old.has(line)).map((line) => `+ ${line}`),
  ];
}

/** Waits until the tree looks as before: a call that goes on may show for a moment. Throws what differs. */
export async function sameAgain(root: number, before: string[]): Promise<void> {
  let found: string[] = [];
  const same = (): boolean => (found = differences(before, snapshot(root))).length === 0;
  await until('the tree as it was', same, 2000).catch(() => {
    throw new Error(`the tree is not as it was:\n${found.slice(0, 20).join('\n')}`);
  });
}
