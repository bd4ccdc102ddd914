/**
 * Event counters, eventfd(2).
 */

import { fd_types } from '../../images/gen/fdinfo.js';
import type { FileOf } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';
import { type Place, refuse } from '../refuse.js';
import { developOwner } from './fown.js';

/** eventfd(2) takes its first value as an unsigned int. */
const MAX_COUNT = 2n ** 32n - 1n;

/** Refuses what a restore would make a plain eventfd of. */
export function developEventfd(file: FileOf<'eventfd'>, place: Place): Entry<'file_entry'> {
  const { id, flags, detail } = file;
  if (detail.semaphore) refuse(place, 'an eventfd used as a semaphore (EFD_SEMAPHORE)');
  if (BigInt(detail.count) > MAX_COUNT) refuse(place, 'an eventfd that counts beyond 32 bits');
  const fown = developOwner(file.fown);
  return { type: fd_types.EVENTFD, id, efd: { id, flags, fown, counter: detail.count } };
}
