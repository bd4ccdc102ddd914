/**
 * Files of processes, /proc/PID/...: found again where the process is in the tree. For one that has
 * ended, a restore makes a process of that number, has the file opened, and ends it.
 */

import { statSync } from 'node:fs';
import { remap_type } from '../../images/gen/remap-file-path.js';
import type { FileFrame } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';
import { type Place, refuse } from '../refuse.js';
import { hasName } from './regular.js';

export class Procfs {
  readonly remaps: Entry<'remap_file_path_entry'>[] = [];
  readonly #isOurs: (pid: number) => boolean;
  readonly #dev = statSync('/proc').dev;

  /** `isOurs`: whether a process or thread is in the tree, be it a zombie. */
  constructor(isOurs: (pid: number) => boolean) {
    this.#isOurs = isOurs;
  }

  /**
   * Whether it is a file of a process that has ended, which is then the image's file `id`. Refuses one of
   * a process that goes on outside of the tree.
   */
  add(id: number, file: FileFrame, place: Place): boolean {
    const pid = this.#processOf(file);
    if (pid === undefined || this.#isOurs(pid)) return false;
    if (hasName(file)) refuse(place, `a file of process ${pid}, which is outside of the tree`);
    this.remaps.push({ orig_id: id, remap_id: pid, remap_type: remap_type.PROCFS });
    return true;
  }

  #processOf({ dev, link }: FileFrame): number | undefined {
    const pid = dev === this.#dev && /^\/proc\/(\d+)(\/|$)/.exec(link)?.[1];
    return pid ? Number(pid) : undefined;
  }
}
