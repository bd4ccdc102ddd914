/**
 * Ghosts: files whose names are all gone. Their content goes into the set, and a restore makes
 * them anew, opens and removes them.
 */

import { remap_type } from '../../images/gen/remap-file-path.js';
import type { GhostFrame } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';
import { type Place, refuse } from '../refuse.js';
import { kernelDev, S_IFMT } from './regular.js';

/** A run of a file's bytes. */
export interface Extent {
  offset: number;
  length: number;
}

/** The image of one deleted file. */
export interface Ghost {
  id: number;
  entry: Entry<'ghost_file_entry'>;
  /** Name of the temporary file with its content, for a regular file. */
  content?: string | undefined;
  /** Where its data is, if it has holes. */
  chunks?: Extent[] | undefined;
}

const S_IFCHR = 0o20000;
const S_IFBLK = 0o60000;

/** Numbers deleted files, and notes which open files lead to them. */
export class Ghosts {
  readonly remaps: Entry<'remap_file_path_entry'>[] = [];
  readonly #ghosts = new Map<GhostFrame, Ghost>();

  get all(): Ghost[] {
    return [...this.#ghosts.values()];
  }

  /** Leads the image's file `id` to its ghost. Refuses a file that was not copied. */
  add(id: number, frame: GhostFrame | undefined, place: Place): void {
    if (!frame) refuse(place, 'a deleted file whose content could not be copied');
    if (frame.too_large) {
      refuse(place, 'a deleted file larger than the ghost limit', '--ghost-limit raises it');
    }
    let ghost = this.#ghosts.get(frame);
    if (!ghost) {
      ghost = developGhost(this.#ghosts.size + 1, frame);
      this.#ghosts.set(frame, ghost);
    }
    this.remaps.push({ orig_id: id, remap_id: ghost.id, remap_type: remap_type.GHOST });
  }
}

function developGhost(id: number, frame: GhostFrame): Ghost {
  const { uid, gid, mode, ino, content, size } = frame;
  const isDevice = [S_IFCHR, S_IFBLK].includes(mode & S_IFMT);
  const chunks = content === undefined ? undefined : chunksOf(frame);
  const entry = {
    ...{ uid, gid, mode, ino, dev: kernelDev(frame.dev) },
    rdev: isDevice ? frame.rdev : undefined,
    atim: timeval(frame.atime),
    mtim: timeval(frame.mtime),
    ...(chunks ? { chunks: true, size } : {}),
  };
  return { id, entry, content, chunks };
}

/** The data of a file with holes; of one without, it is simply all. */
function chunksOf({ size, extents = [] }: GhostFrame): Extent[] | undefined {
  const chunks: Extent[] = [];
  for (let i = 0; i < extents.length; i += 2) {
    chunks.push({ offset: extents[i]!, length: extents[i + 1]! });
  }
  const data = chunks.reduce((sum, { length }) => sum + length, 0);
  return data < Number(size) ? chunks : undefined;
}

function timeval([tv_sec, nanoseconds]: [number, number]): Entry<'timeval'> {
  return { tv_sec, tv_usec: Math.floor(nanoseconds / 1000) };
}
