/**
 * Timers that are read from a descriptor, timerfd_create(2).
 */

import { fd_types } from '../../images/gen/fdinfo.js';
import type { FileOf } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';
import { divide, NANOSECONDS } from '../timers.js';
import { developOwner } from './fown.js';

export function developTimerfd(file: FileOf<'timerfd'>): Entry<'file_entry'> {
  const { id, flags, detail } = file;
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
