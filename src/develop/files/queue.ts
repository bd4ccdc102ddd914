/**
 * What waits in a socket's receive queue.
 */

import type { Packet } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';
import { type Place, refuse } from '../refuse.js';

/** What waits in the queue of the image's file `id_for`, the oldest first; data follows each entry. */
export function developQueue(
  id_for: number,
  queue: readonly Packet[],
  place: Place,
): [entry: Entry<'sk_packet_entry'>, data: Buffer][] {
  return queue.map((packet) => {
    if (packet.scm) refuse(place, 'descriptors or credentials wait in its queue');
    const data = Buffer.from(packet.data, 'base64');
    return [{ id_for, length: data.length }, data];
  });
}
