/** Which living process stands for which task of a set. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CkptError } from '../errors.js';
import { fileName } from '../images/names.js';
import { ImageReader } from '../images/read.js';
import type { Manifest } from './manifest.js';
import { innerPid, treeOf } from './proc.js';

/** Processes as the user named them. */
export interface Named {
  /** The root of the tree. */
  root?: number;
  /** Pids by those in the set. */
  pids: Map<number, number>;
}

/** Reads `PID[,PID=VPID...]`. Throws CkptError E_USAGE. */
export function parsePids(text: string): Named {
  const named: Named = { pids: new Map() };
  for (const word of text.split(',')) {
    const [, pid, vpid] = /^([1-9]\d{0,9})(?:=([1-9]\d{0,9}))?$/.exec(word) ?? [];
    if (pid === undefined) throw usage(text, `'${word}' is neither PID nor PID=VPID`);
    if (vpid !== undefined) named.pids.set(Number(vpid), Number(pid));
    else if (named.root === undefined) named.root = Number(pid);
    else throw usage(text, `which task is ${word}? Name it as ${word}=VPID`);
  }
  return named;
}

/**
 * A process for each task of the set that has pages: as named, or that of the tree which has its
 * pid; the root of the tree stands for that of the set. Throws CkptError E_PAGE_SOURCE.
 */
export async function matchTasks(
  name: string,
  { root, pids }: Named,
  set: Manifest,
): Promise<Map<number, number>> {
  const tasks = tasksOf(set);
  for (const vpid of pids.keys()) {
    if (!tasks.includes(vpid)) throw mismatch(name, `there is no process ${vpid} in ${set.dir}`);
  }
  const tree = new Map(treeOf(root ?? 0).map((pid) => [innerPid(pid), pid]));
  if (root !== undefined && tree.size === 0) throw mismatch(name, `there is no process ${root}`);
  const top = root === undefined ? undefined : await rootOf(set.dir);
  return new Map(
    tasks.map((vpid) => {
      const pid = pids.get(vpid) ?? tree.get(vpid) ?? (vpid === top ? root : undefined);
      if (pid !== undefined) return [vpid, pid];
      const reason = `which is process ${vpid} of ${set.dir}? Name it as PID=${vpid}`;
      throw mismatch(name, reason);
    }),
  );
}

function tasksOf({ owners }: Manifest): number[] {
  return owners.flatMap(({ owner, ranges }) =>
    'pid' in owner && ranges.length > 0 ? owner.pid : [],
  );
}

/** The root of a set's tree. */
async function rootOf(dir: string): Promise<number | undefined> {
  const path = join(dir, fileName('PSTREE'));
  if (!existsSync(path)) return undefined;
  const reader = await ImageReader.open(path, 'PSTREE');
  try {
    for await (const { value } of reader) if (value.ppid === 0) return value.pid;
    return undefined;
  } finally {
    await reader.close();
  }
}

function usage(text: string, reason: string): CkptError {
  return new CkptError('E_USAGE', `process:${text}: ${reason}`);
}

function mismatch(name: string, reason: string): CkptError {
  return new CkptError('E_PAGE_SOURCE', `${name}: ${reason}`, { object: name });
}
