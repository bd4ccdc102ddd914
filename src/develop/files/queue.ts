/**
 * What waits in a socket's receive queue.
 */

import type { FileOf, Packet } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';
import { type Place, refuse } from '../refuse.js';

/** Descriptors that came with data: unix(7). */
const SCM_RIGHTS = 1;

const SOCK_STREAM = 1;

/** A stream does not tell with which of its bytes descriptors came. */
export function warningsOfQueue({ detail }: FileOf<'unix'>, { pid, object }: Place): string[] {
  if (detail.type !== SOCK_STREAM) return [];
  return detail.queue.flatMap(({ rights, data }) => {
    const bytes = Buffer.byteLength(data, 'base64');
    if (!rights || bytes === 1) return [];
    const what = `${rights.length} descriptors came with some of ${bytes} bytes that wait`;
    return [`pid ${pid}: ${object}: ${what}; a restore gives them with the first`];
  });
}

/** What waits in the queue of the image's file `id_for`, the oldest first; data follows each entry. */
export function developQueue(
  id_for: number,
  queue: readonly Packet[],
  place: Place,
): [entry: Entry<'sk_packet_entry'>, data: Buffer][] {
  return queue.map((packet) => {
    if (packet.scm) refuse(place, 'credentials or timestamps wait in its queue');
    const data = Buffer.from(packet.data, 'base64');
    const { rights } = packet;
    const scm = rights ? [{ type: SCM_RIGHTS, rights }] : [];
    return [{ id_for, length: data.length, scm }, data];
  });
}
