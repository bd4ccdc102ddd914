/**
 * Descriptors of processes, pidfd_open(2).
 */

import { fd_types } from '../../images/gen/fdinfo.js';
import type { FileOf } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';
import { type Place, refuse } from '../refuse.js';
import { developOwner } from './fown.js';

const O_RDWR = 0o2;
/** A pidfd of one thread has the bit of O_EXCL set. */
const PIDFD_THREAD = 0o200;
/** Waited for: there is no process any more. */
const GONE = -1;

/** `isOurs`: whether a process is in the tree, be it a zombie. */
export function developPidfd(
  file: FileOf<'pidfd'>,
  isOurs: (pid: number) => boolean,
  place: Place,
): Entry<'file_entry'> {
  const { id, ino, flags, detail } = file;
  const { pid } = detail;
  if (flags & PIDFD_THREAD) refuse(place, 'of a single thread (PIDFD_THREAD)');
  if (pid !== GONE && !isOurs(pid)) {
    refuse(place, `of process ${pid || 'in another namespace'}, which is outside of the tree`);
  }
  const pidfd = {
    ...{ id, nspid: pid, flags: flags & ~O_RDWR, fown: developOwner(file.fown) },
    ino: Number(BigInt.asUintN(32, BigInt(ino))),
  };
  return { type: fd_types.PIDFD, id, pidfd };
}

/** A process that is gone is made anew and killed. */
export function warningsOfPidfd({ detail }: FileOf<'pidfd'>, { pid, object }: Place): string[] {
  const what = 'the exit status that PIDFD_GET_INFO tells';
  return detail.pid === GONE ? [`pid ${pid}: ${object}: not in the images: ${what}`] : [];
}
