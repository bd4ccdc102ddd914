/**
 * Epoll: which descriptors it watches, for what.
 *
 * The kernel watches descriptions, an image names descriptors: those of the task that will make
 * the epoll again. A description may since have got another number in that task, or none.
 */

import { fd_types } from '../../images/gen/fdinfo.js';
import type { Descriptor, EpollMember, FileOf } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';
import { type Place, refuse } from '../refuse.js';
import { developOwner } from './fown.js';

/** `table` is the descriptor table of the task that restores the epoll. */
export function developEpoll(
  file: FileOf<'epoll'>,
  table: readonly Descriptor[],
  place: Place,
): Entry<'file_entry'> {
  const { id, flags, detail } = file;
  const tfd = detail.members
    .map((member) => developMember(member, table, place))
    .sort((a, b) => a.tfd - b.tfd);
  return { type: fd_types.EVENTPOLL, id, epfd: { id, flags, fown: developOwner(file.fown), tfd } };
}

function developMember(
  { tfd, events, data, file, dev, ino, pos }: EpollMember,
  table: readonly Descriptor[],
  place: Place,
): Entry<'eventpoll_tfd_entry'> {
  const held = table.filter((descriptor) => descriptor.file === file);
  const found = held.find(({ fd }) => fd === tfd) ?? held[0];
  if (!found) refuse(place, `watches a file (once descriptor ${tfd}) that the process has closed`);
  return { id: 0, tfd: found.fd, events: Number(events), data, dev, inode: ino, pos };
}
