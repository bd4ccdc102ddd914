/**
 * Where a process has a segment of shared memory: to the kernel it is a file, whose inode number is
 * the segment's id.
 */

import { readdirSync, readlinkSync, statSync } from 'node:fs';
import type { MapsLine } from './proc.js';

/** Names of shared memory in maps: anonymous, memfds, System V; of the first in huge pages too. */
const SHARED = /^\/(dev\/zero|memfd:|SYSV|anon_hugepage)/;
const MEMFD = /^\/memfd:/;

/** The segment as one of the processes maps it; `maps` by pid. */
export function mappedFile(
  shmem: bigint,
  maps: ReadonlyMap<number, MapsLine[]>,
): string | undefined {
  for (const [pid, lines] of maps) {
    const line = lines.find(
      ({ ino, perms, name }) => ino === shmem && perms[3] === 's' && SHARED.test(name),
    );
    if (line) return `/proc/${pid}/map_files/${line.range}`;
  }
  return undefined;
}

/** A memfd as one of the processes has it open. Throws as readdir(2) does. */
export function openFile(shmem: bigint, pids: Iterable<number>): string | undefined {
  for (const pid of pids) {
    const dir = `/proc/${pid}/fd`;
    const fd = readdirSync(dir).find((name) => isMemfd(`${dir}/${name}`, shmem));
    if (fd !== undefined) return `${dir}/${fd}`;
  }
  return undefined;
}

function isMemfd(path: string, shmem: bigint): boolean {
  return MEMFD.test(readlinkSync(path)) && statSync(path, { bigint: true }).ino === shmem;
}
