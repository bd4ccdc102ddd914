/**
 * Who gets a signal when a file becomes ready: F_SETOWN and F_SETSIG of fcntl(2).
 */

import type { FileOwner } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';

const NO_OWNER: FileOwner = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 };

/** Zeros where there is nobody. */
export function developOwner(fown: FileOwner | undefined): Entry<'fown_entry'> {
  const { uid, euid, signum, pid_type, pid } = fown ?? NO_OWNER;
  return { uid, euid, signum, pid_type, pid };
}
