/**
 * Files in memory: memfds, and shared anonymous memory, which to the kernel is the same.
 *
 * A restore makes each once, fills it from pagemap-shmem-INO.img, and opens it for every
 * descriptor and mapping. CRIU dumps shared anonymous mappings this way too.
 */

import { fd_types } from '../../images/gen/fdinfo.js';
import type { FileOf, Hex } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';
import type { HugePages } from '../hugetlb.js';
import type { Place } from '../refuse.js';
import { developOwner } from './fown.js';

/** F_SEAL_SEAL of fcntl(2): what a memfd has that allows no seals. */
const F_SEAL_SEAL = 1;
/** The mode of a shared anonymous mapping's inode. */
const MODE = 0o100777;

/** What is known of shared anonymous memory, which has no descriptor to ask. */
export interface Segment {
  /** What the kernel calls it. */
  name: string;
  ino: Hex;
  size: Hex;
  /** Who made it. */
  uid: number;
  gid: number;
  hugetlb_flag?: number | undefined;
}

/** Numbers the inodes, and develops each when it is first met. */
export class MemfdInodes {
  readonly #inodes = new Map<bigint, Entry<'memfd_inode_entry'>>();
  readonly #huge: HugePages;

  constructor(huge: HugePages) {
    this.#huge = huge;
  }

  get all(): Entry<'memfd_inode_entry'>[] {
    return [...this.#inodes.values()];
  }

  /** A file of a memfd. */
  developFile(file: FileOf<'memfd'>, place: Place): Entry<'file_entry'> {
    const { id, description, flags, pos, uid, gid, size, mode, detail } = file;
    const { name, seals, hugetlb } = detail;
    const hugetlb_flag = hugetlb ? this.#huge.memfdFlags(file.dev, place) : undefined;
    const inode_id = this.#idOf(file.ino, { name, uid, gid, size, seals, mode, hugetlb_flag });
    const fown = developOwner(file.fown);
    const memfd = {
      id,
      flags: description ? flags : 0,
      pos: description ? pos : 0,
      fown,
      inode_id,
    };
    return { type: fd_types.MEMFD, id, memfd };
  }

  /** The file, under the id `id`, by which a restore maps shared anonymous memory. */
  developSegment(id: number, { ino, ...segment }: Segment): Entry<'file_entry'> {
    const inode_id = this.#idOf(ino, { ...segment, seals: F_SEAL_SEAL, mode: MODE });
    const memfd = { id, flags: 0, pos: 0, fown: developOwner(undefined), inode_id };
    return { type: fd_types.MEMFD, id, memfd };
  }

  #idOf(ino: string, inode: Omit<Entry<'memfd_inode_entry'>, 'inode_id' | 'shmid'>): number {
    const key = BigInt(ino);
    const known = this.#inodes.get(key);
    if (known) return known.inode_id as number;
    const inode_id = this.#inodes.size + 1;
    this.#inodes.set(key, { ...inode, inode_id, shmid: Number(key) });
    return inode_id;
  }
}
