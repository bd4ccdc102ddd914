/**
 * Timers that are read from a descriptor, timerfd_create(2).
 */

import { fd_types } from '../../images/gen/fdinfo.js';
import type { FileOf } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';
import { divide, NANOSECONDS } from '../timers.js';
import { type Place, refuse } from '../refuse.js';
import { developOwner } from './fown.js';

/** CLOCK_REALTIME, MONOTONIC and BOOTTIME: those that a restore knows. */
const CLOCKS = [0, 1, 7];

/** Refuses timers that would wake a sleeping machine. */
export function developTimerfd(file: FileOf<'timerfd'>, place: Place): Entry<'file_entry'> {
  const { id, flags, detail } = file;
  if (!CLOCKS.includes(detail.clockid)) {
    refuse(place, `a timer of a clock that no restore knows (CLOCK_*_ALARM, ${detail.clockid})`);
  }
  const [vsec, vnsec] = divide(detail.value_ns, NANOSECONDS);
  const [isec, insec] = divide(detail.interval_ns, NANOSECONDS);
  const { clockid, ticks, settime_flags } = detail;
  return {
    type: fd_types.TIMERFD,
    id,
    tfd: {
      ...{ id, flags, clockid, ticks, settime_flags, vsec, vnsec, isec, insec },
      fown: developOwner(file.fown),
    },
  };
}
