/**
 * Signals: their actions, and those that are pending.
 */

import type { Bytes, LiveTaskFrame, Sigaction } from '../helper/protocol.js';
import type { Entry } from './entry.js';

/** SIGKILL and SIGSTOP, whose actions cannot be set: an image leaves them out. */
const FIXED = [9, 19];

/** The actions of all signals but the fixed two, in the order of their numbers. */
export function developSigactions(sigactions: readonly Sigaction[]): Entry<'sa_entry'>[] {
  return sigactions
    .filter((_, index) => !FIXED.includes(index + 1))
    .map(({ handler, flags, restorer, mask }) => ({
      ...{ sigaction: handler, flags, restorer, mask },
      compat_sigaction: false,
    }));
}

const SIGSTOP = 19;

/** A queue of pending signals, the oldest first. */
export function developQueue(pending: readonly Bytes[]): Entry<'signal_queue_entry'> {
  return { signals: pending.map((siginfo) => ({ siginfo: bytes(siginfo) })) };
}

/**
 * The signals of a process that no thread has taken yet. Where it is stopped already, a SIGSTOP has
 * nothing more to do: what lets the process go on removes it (signal(7), SIGCONT). A restore would be
 * stopped by it on the way.
 */
export function developShared(task: LiveTaskFrame): Entry<'signal_queue_entry'> {
  const isIdle = (siginfo: Bytes): boolean =>
    task.state === 'stopped' && bytes(siginfo).readInt32LE() === SIGSTOP;
  return developQueue(task.pending.filter((siginfo) => !isIdle(siginfo)));
}

const bytes = (siginfo: Bytes): Buffer => Buffer.from(siginfo, 'base64');
