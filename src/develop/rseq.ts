/**
 * Restartable sequences: the registration, and a critical section that the freeze fell into.
 *
 * A thread stopped within such a section must not run on in it. The kernel would send it to the
 * section's abort handler; a restored thread is sent there by its registers. A section that
 * forbids that on signals is resumed where it was, and its descriptor put back (rseq(2) and CRIU's
 * treatment of it in cr-dump.c).
 */

import type { ThreadFrame } from '../helper/protocol.js';
import type { Entry } from './entry.js';

/** RSEQ_CS_FLAG_NO_RESTART_ON_SIGNAL of linux/rseq.h. */
const NO_RESTART_ON_SIGNAL = 2;

/** The registration; absent where the thread has none. */
export function developRseq(thread: ThreadFrame): Entry<'rseq_entry'> | undefined {
  const { rseq } = thread;
  if (!rseq || BigInt(rseq.ptr) === 0n) return undefined;
  return {
    rseq_abi_pointer: rseq.ptr,
    rseq_abi_size: rseq.size,
    signature: rseq.signature,
    rseq_cs_pointer: staysInSection(thread) ? rseq.cs : undefined,
  };
}

/** Where a thread that stands at `ip` has to go on. */
export function leaveSection(thread: ThreadFrame, ip: bigint): bigint {
  const { rseq_cs: section } = thread;
  if (!section || staysInSection(thread)) return ip;
  const offset = ip - BigInt(section.start);
  const within = offset >= 0n && offset < BigInt(section.post_commit_offset);
  return within ? BigInt(section.abort) : ip;
}

function staysInSection({ rseq, rseq_cs: section }: ThreadFrame): boolean {
  const flags = (rseq?.flags ?? 0) | (section?.flags ?? 0);
  return section !== undefined && (flags & NO_RESTART_ON_SIGNAL) !== 0;
}
