/** What /proc tells of a process that pages are to be read from. */

import { readdirSync, readFileSync } from 'node:fs';

/** A line of /proc/PID/maps; addresses divided by the size of a page. */
export interface MapsLine {
  page: number;
  end: number;
  /** `rw-p` */
  perms: string;
  ino: bigint;
  name: string;
  /** As map_files has it. */
  range: string;
}

const LINE = /^([\da-f]+)-([\da-f]+) (\S+) \S+ \S+ (\d+) *(.*)$/;

/** The mappings of a process, ascending. Throws as read(2) does. */
export function readMaps(pid: number): MapsLine[] {
  const lines = readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n');
  return lines.flatMap((line) => mapsLine(line) ?? []);
}

function mapsLine(line: string): MapsLine | undefined {
  const [match, start, end, perms, ino, name] = LINE.exec(line) ?? [];
  if (match === undefined) return undefined;
  const [from, to] = [start!, end!].map((address) => address.replace(/^0+(?=.)/, ''));
  return {
    page: pageOf(start!),
    end: pageOf(end!),
    perms: perms!,
    ino: BigInt(ino!),
    name: name!,
    range: `${from}-${to}`,
  };
}

function pageOf(address: string): number {
  return parseInt(address.slice(0, -3) || '0', 16);
}

/** A process and all below it; none where it is gone. */
export function treeOf(pid: number): number[] {
  const children = threadsOf(pid).flatMap((tid) => childrenOf(pid, tid));
  return threadsOf(pid).length === 0 ? [] : [pid, ...children.flatMap(treeOf)];
}

export function threadsOf(pid: number): number[] {
  return attemptOr([], () => readdirSync(`/proc/${pid}/task`).map(Number));
}

function childrenOf(pid: number, tid: number): number[] {
  const text = attemptOr('', () => readFileSync(`/proc/${pid}/task/${tid}/children`, 'utf8'));
  return text.split(' ').filter(Boolean).map(Number);
}

/** Its pid in its own pid namespace: what an image calls it. */
export function innerPid(pid: number): number | undefined {
  const status = attemptOr('', () => readFileSync(`/proc/${pid}/status`, 'utf8'));
  const numbers = /^NSpid:\s*(.*)$/m.exec(status)?.[1]?.split(/\s+/);
  return numbers && Number(numbers.at(-1));
}

/** Where the kernel holds a task of a frozen control group, of the second version and the first. */
const FREEZERS = ['do_freezer_trap', '__refrigerator'];

/** Whether a thread cannot run: stopped, held by a tracer or the freezer, or dead. */
export function isHeld(pid: number, tid: number): boolean {
  const stat = attemptOr('', () => readFileSync(`/proc/${pid}/task/${tid}/stat`, 'latin1'));
  const state = stat[stat.lastIndexOf(')') + 2] ?? 'X';
  if ('TtZX'.includes(state)) return true;
  const place = attemptOr('', () => readFileSync(`/proc/${pid}/task/${tid}/wchan`, 'latin1'));
  return FREEZERS.includes(place);
}

/** A process may end while it is being looked at. */
function attemptOr<T>(otherwise: T, action: () => T): T {
  try {
    return action();
  } catch {
    return otherwise;
  }
}
