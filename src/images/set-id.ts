/** The id of a set: `dump_criu_run_id` of its inventory. */

import { readFileSync } from 'node:fs';

/** A random UUID, from the kernel: random(4). Node's own takes 4 ms to load. */
export function newSetId(): string {
  return readFileSync('/proc/sys/kernel/random/uuid', 'utf8').trim();
}
