/**
 * fdinfo-N.img: a descriptor table.
 */

import type { Descriptor, FileId } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';

const FD_CLOEXEC = 1;

/** In ascending order; `types` knows the type of every developed file. */
export function developTable(
  table: readonly Descriptor[],
  types: ReadonlyMap<FileId, Entry<'fdinfo_entry'>['type']>,
): Entry<'fdinfo_entry'>[] {
  return [...table]
    .sort((a, b) => a.fd - b.fd)
    .map(({ fd, file, cloexec }) => ({
      id: file,
      flags: cloexec ? FD_CLOEXEC : 0,
      type: types.get(file)!,
      fd,
    }));
}
