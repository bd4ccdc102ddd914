/**
 * Scheduling of a thread: policy, priority, nice.
 */

import type { ThreadFrame } from '../helper/protocol.js';
import type { Entry } from './entry.js';
import { type Place, refuse } from './refuse.js';

/** Policies of linux/sched.h that images can tell of. */
const SCHED_FIFO = 1;
const SCHED_RR = 2;
const SCHED_DEADLINE = 6;
const SCHED_RESET_ON_FORK = 0x40000000;

type Sched = Pick<Entry<'thread_core_entry'>, 'sched_nice' | 'sched_policy' | 'sched_prio'>;

/** Refuses SCHED_DEADLINE, whose runtime and period no image holds. */
export function developSched({ sched }: ThreadFrame, place: Place): Sched {
  if (sched.policy === SCHED_DEADLINE) refuse(place, 'scheduled by deadline (SCHED_DEADLINE)');
  const isRealTime = [SCHED_FIFO, SCHED_RR].includes(sched.policy);
  return {
    sched_nice: sched.nice,
    sched_policy: (sched.policy | (sched.reset_on_fork ? SCHED_RESET_ON_FORK : 0)) >>> 0,
    sched_prio: isRealTime ? sched.priority : undefined,
  };
}
