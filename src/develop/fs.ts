/**
 * fs-PID.img: working directory, root and umask.
 */

import type { LiveTaskFrame } from '../helper/protocol.js';
import type { Entry } from './entry.js';

export function developFs({ fs, umask }: LiveTaskFrame): Entry<'fs_entry'> {
  return { cwd_id: fs.cwd, root_id: fs.root, umask };
}
