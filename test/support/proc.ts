// What /proc tells of processes: for looking at a target, or at a dumper, from outside.
import { readFileSync, readdirSync } from 'node:fs';

/** The content of a file of /proc, empty where its process is gone. */
export function procText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Thread ids, ascending; none where the process is gone. */
export function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return [];
  }
}

/** All processes below `pid`, as far as they can be seen at once. */
export function descendants(pid: number): number[] {
  const children = threadsOf(pid)
    .flatMap((tid) => procText(`/proc/${pid}/task/${tid}/children`).split(' '))
    .filter((child) => child !== '')
    .map(Number);
  return children.flatMap((child) => [child, ...descendants(child)]);
}
