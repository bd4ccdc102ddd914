/**
 * Signals: their actions, and those that are pending.
 */

import type { Bytes, Sigaction } from '../helper/protocol.js';
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

/** A queue of pending signals, the oldest first. */
export function developQueue(pending: readonly Bytes[]): Entry<'signal_queue_entry'> {
  return { signals: pending.map((siginfo) => ({ siginfo: Buffer.from(siginfo, 'base64') })) };
}
