/**
 * Signals that are read from a descriptor, signalfd(2).
 */

import { fd_types } from '../../images/gen/fdinfo.js';
import type { FileOf } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';
import { developOwner } from './fown.js';

export function developSignalfd(file: FileOf<'signalfd'>): Entry<'file_entry'> {
  const { id, flags, detail } = file;
  const fown = developOwner(file.fown);
  return { type: fd_types.SIGNALFD, id, sgfd: { id, flags, fown, sigmask: detail.sigmask } };
}
