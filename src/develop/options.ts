/**
 * What a user's options change in the images. Names and meanings are those of CRIU's options.
 */

export interface DevelopOptions {
  /** Root and terminal belong to a shell's session, which the restore will provide. */
  shellJob?: boolean;
  /** Dump file locks instead of refusing them. */
  fileLocks?: boolean;
  /** Resources that the restore will provide: `pipe:[123]`. */
  external?: readonly string[];
  /** Leave all page data out, or only that which a lazy restore can take late. */
  skipPages?: 'all' | 'lazy';
  /** Dump TCP connections as they are, or as closed. */
  tcpEstablished?: boolean;
  tcpClose?: boolean;
  /** Leave out connections that wait to be accepted. */
  skipInFlight?: boolean;
  /** Id of this dump, a UUID; random if absent. */
  runId?: string;
  /** What to say of control groups; `soft` if absent. */
  manageCgroups?: 'soft' | 'none' | 'ignore';
}
