/**
 * Unix sockets of the tree among each other: who waits at which listener, who sent what.
 */

import type { Bytes, FileFrame, FileOf, Hex, UnixDetail } from '../../helper/protocol.js';

type Unix = FileOf<'unix'>;

/** Bytes of sa_family, before the name in a struct sockaddr_un. */
const FAMILY = 2;

export class UnixPeers {
  readonly #sockets = new Map<bigint, Unix>();
  /** By the inode of a socket whose connection waits to be accepted. */
  readonly #listeners = new Map<bigint, Unix>();

  constructor(files: Iterable<FileFrame>) {
    for (const file of files) {
      if (file.kind !== 'unix') continue;
      this.#sockets.set(BigInt(file.ino), file);
      for (const icon of file.detail.icons ?? []) this.#listeners.set(BigInt(icon), file);
    }
  }

  /** Where the connection of a socket waits to be accepted. */
  listenerOf(ino: Hex): Unix | undefined {
    return this.#listeners.get(BigInt(ino));
  }

  /** The socket at the other end, if it is in the tree. */
  peerOf({ detail }: Unix): Unix | undefined {
    return this.#sockets.get(BigInt(detail.peer));
  }

  /**
   * The sockets through which descriptors in flight were sent. A restore decides which process sends
   * before it decides which one makes a pair; it makes that the one whose socket comes last.
   */
  get senders(): Unix[] {
    return [...this.#sockets.values()].filter((socket) => hasRights(this.peerOf(socket)));
  }

  /** How many connections wait at a listener that no socket of the tree made. */
  strangersAt({ icons = [] }: UnixDetail): number {
    return icons.filter((icon) => !this.#sockets.has(BigInt(icon))).length;
  }

  /** Whether what came to the socket `to` from the address `from` came from one connected to it. */
  isPeer(from: Bytes, to: Hex): boolean {
    const sender = textOf(Buffer.from(from, 'base64').subarray(FAMILY));
    return [...this.#sockets.values()].some(
      ({ detail }) =>
        BigInt(detail.peer) === BigInt(to) && textOf(Buffer.from(detail.name, 'base64')) === sender,
    );
  }
}

/** Whether descriptors wait in its queue. */
export function hasRights(socket: Unix | undefined): boolean {
  return socket?.detail.queue.some(({ rights }) => rights !== undefined) ?? false;
}

/** A name that compares, with or without the zero that ends a path. */
function textOf(name: Buffer): string {
  return name.toString('latin1').replace(/\0$/, '');
}
