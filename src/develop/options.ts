/**
 * What a user's options change in the images. Names and meanings are those of CRIU's options.
 */

import type { Parent } from '../pages/parent-set.js';

export interface DevelopOptions {
  /** What the set is known by; a new one if absent. */
  setId?: string;
  /** Writes to the tree are tracked from this set on: it may become a parent. */
  trackMem?: boolean;
  /** The set before this one, which keeps the pages that have not changed since. */
  parent?: Parent | undefined;

  /** Root and terminal belong to a shell's session, which the restore will provide. */
  shellJob?: boolean;
  /** Dump file locks instead of refusing them. */
  fileLocks?: boolean;
  /** Datagram sockets may be connected to named ones outside of the tree. */
  extUnixSk?: boolean;
  /** Resources that the restore will provide: `pipe:[123]`, `unix[123]`. */
  external?: readonly string[];
  /** Leave all page data out, or only that which a lazy restore can take late. */
  skipPages?: 'all' | 'lazy';
  /** Dump TCP connections as they are, or as closed. */
  tcpEstablished?: boolean;
  tcpClose?: boolean;
  /** Leave out connections that wait to be accepted. */
  skipInFlight?: boolean;
  /** What to say of control groups; `soft` if absent. */
  manageCgroups?: 'soft' | 'none' | 'ignore';
}
