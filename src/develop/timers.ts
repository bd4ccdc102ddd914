/**
 * Timers of a task: interval timers and POSIX timers. What is left of each is relative, so that a
 * restore starts them anew with that.
 */

import type { Hex, Itimer, LiveTaskFrame, PosixTimer } from '../helper/protocol.js';
import type { Entry } from './entry.js';

const MICROSECONDS = 1_000_000n;
export const NANOSECONDS = 1_000_000_000n;

export function developTimers(
  task: Pick<LiveTaskFrame, 'itimers' | 'posix_timers'>,
): Entry<'task_timers_entry'> {
  const { real, virtual, prof } = task.itimers;
  return {
    real: developItimer(real),
    virt: developItimer(virtual),
    prof: developItimer(prof),
    posix: task.posix_timers.map(developPosixTimer),
  };
}

function developItimer({ interval_us, value_us }: Itimer): Entry<'itimer_entry'> {
  const [isec, iusec] = divide(interval_us, MICROSECONDS);
  const [vsec, vusec] = divide(value_us, MICROSECONDS);
  return { isec, iusec, vsec, vusec };
}

function developPosixTimer(timer: PosixTimer): Entry<'posix_timer_entry'> {
  const [isec, insec] = divide(timer.interval_ns, NANOSECONDS);
  const [vsec, vnsec] = divide(timer.value_ns, NANOSECONDS);
  return {
    ...{ isec, insec, vsec, vnsec },
    it_id: timer.id,
    clock_id: timer.clockid >>> 0, // clocks of a process are negative, the field is not
    si_signo: timer.signo,
    it_sigev_notify: timer.notify,
    sival_ptr: timer.sigval,
    overrun: timer.overrun,
    notify_thread_id: timer.tid,
  };
}

/** Whole units, and the rest. */
export function divide(value: Hex, unit: bigint): [whole: bigint, rest: bigint] {
  const all = BigInt(value);
  return [all / unit, all % unit];
}
