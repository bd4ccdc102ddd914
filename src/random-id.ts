import { readFileSync } from 'node:fs';

/** CRIU's restore reads no more of a run's id than 21 characters, where that names a table of nf_tables. */
const DIGITS = 20;

/** 80 random bits in hex, from the kernel: random(4). Node's own takes 4 ms to load. */
export function randomId(): string {
  const uuid = readFileSync('/proc/sys/kernel/random/uuid', 'utf8');
  return uuid
    .replaceAll('-', '')
    .slice(-DIGITS - 1)
    .trim();
}
