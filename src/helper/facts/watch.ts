/**
 * Facts of inotify and fanotify descriptors.
 */

import type { Bytes, Hex } from './scalar.js';

/** An inode, and where it can be found. */
export interface Watched {
  dev: number;
  ino: Hex;
  /** struct file_handle; absent: its file system has none. */
  handle?: { type: number; bytes: Bytes };
  /** A name that leads to it. */
  path?: string;
}

export interface InotifyDetail {
  /** Bytes of events that wait. */
  unread: number;
  /** `mask`: IN_*. */
  watches: (Watched & { wd: number; mask: number })[];
}

interface MarkBase {
  /** FAN_MARK_*. */
  mark_flags: number;
  mask: number;
  ignored_mask: number;
}

export type FanotifyMark = MarkBase &
  (({ of: 'inode' } & Watched) | { of: 'mount'; mnt_id: number } | { of: 'other' });

export interface FanotifyDetail {
  unread: number;
  /** FAN_* of fanotify_init(2). */
  init_flags: number;
  /** O_* of the descriptors that events come with. */
  event_flags: number;
  marks: FanotifyMark[];
}
