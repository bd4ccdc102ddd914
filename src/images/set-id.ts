/** The id of a set: `dump_criu_run_id` of its inventory. */

import { readFileSync } from 'node:fs';

/** CRIU's restore reads no more than 21 characters of an id that names a table of nf_tables. */
const DIGITS = 20;

/** 80 random bits in hex, from the kernel: random(4). Node's own takes 4 ms to load. */
export function newSetId(): string {
  const uuid = readFileSync('/proc/sys/kernel/random/uuid', 'utf8').trim();
  return uuid.replaceAll('-', '').slice(-DIGITS);
}
