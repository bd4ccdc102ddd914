/**
 * Refusals: what cannot be dumped faithfully ends the dump, by name.
 *
 * A refusal names the process, the object as the kernel calls it, the reason, and what would allow
 * it, if anything does.
 */

import { CkptError } from '../errors.js';

/** Where an object is: `fd 7 -> socket:[123]` of a process, one of its mappings, its cwd ... */
export interface Place {
  pid: number;
  object: string;
}

/** Throws CkptError E_UNSUPPORTED_OBJECT. */
export function refuse(place: Place, reason: string, remedy?: string): never {
  const { pid, object } = place;
  const advice = remedy ? ` (${remedy})` : '';
  const message = `pid ${pid}: ${object}: ${reason}${advice}`;
  throw new CkptError('E_UNSUPPORTED_OBJECT', message, { pid, object, reason, remedy });
}

/** For facts that contradict each other: throws CkptError E_PROTOCOL. */
export function contradiction(what: string): never {
  throw new CkptError('E_PROTOCOL', `the helper's facts do not fit together: ${what}`);
}
