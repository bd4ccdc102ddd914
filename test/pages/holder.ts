// A process of several kinds of memory and a fork of it, both stopped; and a set that lists it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { procText } from '../support/proc.js';
import { checkout } from '../support/paths.js';
import { until } from '../support/until.js';
import { anonymous, MadeSet } from './made-set.js';

export interface Holder {
  /** As we see them, and as they see themselves. */
  pid: number;
  child: number;
  inner: { pid: number; child: number };
  /** First pages: `abcd` (the last under PROT_NONE), `w` under MADV_WIPEONFORK. */
  private: number;
  wiped: number;
  /** Segments: `stu`, mapped, and `mm`, a memfd that is only open. */
  segment: number;
  memfd: number;
}

const isStopped = (pid: number): boolean => /\) T /.test(procText(`/proc/${pid}/stat`));
const childOf = (pid: number): number =>
  Number(procText(`/proc/${pid}/task/${pid}/children`).split(' ')[0]);

/** Runs `use` with a holder, in a pid namespace of its own if `fresh`. */
export async function withHolder(use: (holder: Holder) => Promise<void>, fresh = false) {
  const command = ['python3', join(checkout, 'test/pages/holder.py')];
  const inside = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', ...command];
  const [file, ...args] = fresh ? inside : command;
  const process = spawn(file!, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [line] = (await once(createInterface({ input: process.stdout }), 'line')) as [string];
    const told = JSON.parse(line);
    const pid = fresh ? childOf(process.pid!) : told.pid;
    const child = childOf(pid);
    // The first process of a namespace hears no signals from within.
    globalThis.process.kill(pid, 'SIGSTOP');
    await until('stop of the holder', () => isStopped(pid) && isStopped(child));
    await use({ ...told, pid, child, inner: { pid: told.pid, child: told.child } });
  } finally {
    process.kill('SIGKILL');
    await once(process, 'close');
  }
}

/** A set of the holder, under the pids that it has itself; of its fork too, if `both`. */
export function listHolder(dir: string, holder: Holder, { both = false, wiped = false } = {}) {
  const set = new MadeSet(dir).inventory();
  const { pid, child } = holder.inner;
  const areas = [
    { page: holder.private, count: 4, madv: 0, isListed: true },
    { page: holder.wiped, count: 1, madv: 1 << 18, isListed: wiped },
  ].sort((a, b) => a.page - b.page);
  for (const task of both ? [pid, child] : [pid]) {
    set.mappings(
      task,
      areas.map(({ page, count, madv }) => anonymous(page, count, { madv })),
    );
    const listed = areas.filter(({ isListed }) => isListed);
    set.pagemap(
      `pagemap-${task}.img`,
      listed.map(({ page, count }) => [page, count, 2]),
    );
  }
  set.tree(
    both
      ? [
          [pid, 0],
          [child, pid],
        ]
      : [[pid, 0]],
  );
  return set
    .pagemap(`pagemap-shmem-${holder.segment}.img`, [[1, 2, 2]])
    .pagemap(`pagemap-shmem-${holder.memfd}.img`, [[0, 2, 2]]);
}
