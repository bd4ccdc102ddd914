/**
 * filelocks.img: locks on files, by the task and descriptor that hold them.
 */

import type { FileFrame, FileLock } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';
import type { Facts } from '../facts.js';
import type { DevelopOptions } from '../options.js';
import { refuse } from '../refuse.js';

/** As images have them, by the kernel's names for them in fdinfo. */
const KINDS: Record<string, number> = { POSIX: 1, FLOCK: 2, LEASE: 8, OFDLCK: 1024 };
/** F_RDLCK and F_WRLCK of fcntl(2). */
const MODES: Record<string, number> = { READ: 0, WRITE: 1 };

/** All locks of the tree. Refuses them all without `fileLocks`, always leases that somebody waits for. */
export function developLocks(
  facts: Facts,
  { fileLocks }: DevelopOptions,
): Entry<'file_lock_entry'>[] {
  const locks = new Map<string, Entry<'file_lock_entry'>>();
  for (const file of facts.files.values()) {
    for (const lock of file.locks) {
      const place = facts.placeOf(file.id);
      if (!fileLocks) refuse(place, `a ${lock.kind} lock is held on it`, '--file-locks allows it');
      if (lock.breaking) refuse(place, 'a lease that somebody outside waits for');
      if (!(lock.kind in KINDS && lock.mode in MODES)) {
        refuse(place, `a lock of a kind that ckpt does not dump (${lock.kind} ${lock.mode})`);
      }
      const entry = developLock(lock, holderOf(facts, file, lock));
      locks.set(keyOf(file, entry), entry);
    }
  }
  return [...locks.values()];
}

interface Holder {
  pid: number;
  fd: number;
}

function developLock(
  { kind, mode, start, end }: FileLock,
  holder: Holder,
): Entry<'file_lock_entry'> {
  const len = end === 'EOF' ? 0n : BigInt(end) - BigInt(start) + 1n;
  return { flag: KINDS[kind]!, type: MODES[mode]!, ...holder, start, len };
}

/** A POSIX lock belongs to a process, the other kinds to the description, whoever holds that. */
function holderOf(facts: Facts, { id }: FileFrame, { kind, pid }: FileLock): Holder {
  for (const task of facts.alive) {
    if (kind === 'POSIX' && task.pid !== pid) continue;
    const held = facts.table(task).find(({ file }) => file === id);
    if (held) return { pid: task.pid, fd: held.fd };
  }
  return refuse(
    facts.placeOf(id),
    `process ${pid}, which holds a lock on it, is outside of the tree`,
  );
}

/** The kernel tells of a process's POSIX lock at every description of the file. */
function keyOf(
  { id, dev, ino }: FileFrame,
  { flag, pid, start, len }: Entry<'file_lock_entry'>,
): string {
  const what = flag === KINDS.POSIX ? `${dev}:${ino} ${pid}` : `${id}`;
  return `${flag} ${what} ${String(start)} ${String(len)}`;
}
