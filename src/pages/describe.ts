/** What a set's pages belong to: each range by the mapping it is in, for people and other programs. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { VMA } from '../develop/vma.js';
import { fd_types } from '../images/gen/fdinfo.js';
import { fileName } from '../images/names.js';
import { ImageReader } from '../images/read.js';
import type { Manifest, ManifestOwner, ManifestRange } from './manifest.js';
import { type Mapping, MappingCursor, readMappings } from './mappings.js';

const MAP_SHARED = 0x01;
const MAP_GROWSDOWN = 0x100;

export interface DescribedRange extends ManifestRange {
  kind: 'anonymous' | 'heap' | 'stack' | 'vdso' | 'file' | 'shared memory' | 'aio';
  /** Of a file its path, of shared memory what it was called; empty where there is none. */
  name: string;
  /** `rw-p`, as /proc/PID/maps has it; of a segment, which has none of its own, empty. */
  protection: string;
}

/** The names of the files that are mapped, and of segments of shared memory. */
export interface Names {
  files: ReadonlyMap<bigint, string>;
  segments: ReadonlyMap<bigint, string>;
}

/** Reads the names that a set knows. Throws CkptError as ImageReader does. */
export async function readNames(dir: string): Promise<Names> {
  const inodes = new Map<number, string>();
  const segments = new Map<bigint, string>();
  for await (const { inode_id, shmid, name } of entriesOf(dir, 'MEMFD_INODE')) {
    inodes.set(Number(inode_id), name);
    segments.set(BigInt(shmid), name);
  }
  const files = new Map<bigint, string>();
  for await (const { id, type, reg, memfd } of entriesOf(dir, 'FILES')) {
    const name = type === fd_types.MEMFD ? inodes.get(memfd?.inode_id ?? 0) : reg?.name;
    if (name !== undefined) files.set(BigInt(id), name);
  }
  return { files, segments };
}

/** The ranges of one owner, cut where its mappings are. */
export async function* describe(
  { dir }: Manifest,
  { owner, ranges }: ManifestOwner,
  names: Names,
): AsyncGenerator<DescribedRange> {
  if ('shmem' in owner) {
    const name = names.segments.get(owner.shmem) ?? '';
    for (const range of ranges) yield { ...range, kind: 'shared memory', name, protection: '' };
    return;
  }
  const cursor = new MappingCursor(await readMappings(dir, owner.pid));
  for (const range of ranges) {
    const end = range.page + range.count;
    for (let page = range.page; page < end;) {
      const mapping = cursor.at(page)!; // the manifest lists no page outside of them
      const count = Math.min(end, mapping.page + mapping.count) - page;
      const at = range.at + page - range.page;
      yield { ...range, page, count, at, ...describeMapping(mapping, names) };
      page += count;
    }
  }
}

function describeMapping(mapping: Mapping, { files }: Names) {
  const { prot, flags, shmid } = mapping;
  const letters = [...'rwx'].map((letter, bit) => (prot & (1 << bit) ? letter : '-'));
  const protection = letters.join('') + (flags & MAP_SHARED ? 's' : 'p');
  const kind = kindOf(mapping);
  return { kind, name: kind === 'file' ? (files.get(shmid) ?? '') : '', protection };
}

function kindOf({ status, flags }: Mapping): DescribedRange['kind'] {
  if (status & VMA.VDSO) return 'vdso';
  if (status & VMA.HEAP) return 'heap';
  if (status & VMA.AIORING) return 'aio';
  if (status & (VMA.FILE_PRIVATE | VMA.FILE_SHARED)) return 'file';
  return flags & MAP_GROWSDOWN ? 'stack' : 'anonymous';
}

/** The entries of an image; none where the set has no such image. */
async function* entriesOf<K extends 'FILES' | 'MEMFD_INODE'>(dir: string, kind: K) {
  const path = join(dir, fileName(kind as 'FILES'));
  if (!existsSync(path)) return;
  const reader = await ImageReader.open(path, kind);
  try {
    for await (const { value } of reader) yield value;
  } finally {
    await reader.close();
  }
}
