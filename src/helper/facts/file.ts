/**
 * Facts of files: open file descriptions, paths, descriptor tables, and what is in flight in them.
 */

import type { Bytes, FileId, Hex } from './scalar.js';

import type { InetDetail, UnixDetail } from './socket.js';
import type { TtyDetail } from './tty.js';
import type { FanotifyDetail, InotifyDetail } from './watch.js';

export interface FileOwner {
  uid: number;
  euid: number;
  signum: number;
  /** F_OWNER_*: 0 tid, 1 pid, 2 process group. */
  pid_type: number;
  pid: number;
}

export interface FileLock {
  kind: 'POSIX' | 'FLOCK' | 'OFDLCK' | 'LEASE';
  /** Of a lease: somebody waits for it to be given up. */
  breaking?: true;
  /** READ, WRITE; UNLCK of a lease that is to be given up. */
  mode: string;
  pid: number;
  start: Hex;
  /** Hex, or `EOF`. */
  end: Hex | 'EOF';
}

export interface EpollMember {
  tfd: number;
  events: Hex;
  data: Hex;
  /** The description watched; absent if none of the tree holds it. */
  file?: FileId;
  dev: number;
  ino: Hex;
  pos: Hex;
}

/** What only a file of its kind has. */
export interface FileDetails {
  regular: undefined;
  directory: undefined;
  char: undefined;
  block: undefined;
  symlink: undefined;
  /** A fifo or a socket that is only named, by O_PATH. */
  named: undefined;
  fifo: { pipe: Hex };
  pipe: { pipe: Hex };
  eventfd: { count: Hex; semaphore: boolean };
  epoll: { members: EpollMember[] };
  timerfd: {
    clockid: number;
    ticks: Hex;
    settime_flags: number;
    interval_ns: Hex;
    value_ns: Hex;
  };
  signalfd: { sigmask: Hex };
  /** -1: of a process that was waited for. */
  pidfd: { pid: number };
  inotify: InotifyDetail;
  fanotify: FanotifyDetail;
  memfd: { name: string; seals: number; hugetlb: boolean };
  tty: TtyDetail;
  unix: UnixDetail;
  inet: InetDetail;
  other: Record<string, never>;
}

export type FileKind = keyof FileDetails;

/** An open file description, or a path that is mapped, executed, cwd or root. */
export interface FileBase {
  t: 'file';
  id: FileId;
  /** False: only a path. */
  description: boolean;
  /** The readlink of /proc/PID/fd/N, map_files, exe, cwd, root. */
  link: string;
  /** O_*, of the description (without O_CLOEXEC). */
  flags: number;
  pos: Hex;
  mnt_id: number;
  dev: number;
  ino: Hex;
  mode: number;
  rdev: number;
  nlink: number;
  uid: number;
  gid: number;
  size: Hex;
  /** Where the file has a name: as seen from the task's root. */
  path?: string;
  /** The path leads to this very inode. */
  path_ok?: boolean;
  fown?: FileOwner;
  locks: FileLock[];
}

/** A file frame of one kind. */
export type FileOf<K extends FileKind> = FileBase & { kind: K } & (FileDetails[K] extends undefined
    ? { detail?: undefined }
    : { detail: FileDetails[K] });

export type FileFrame = { [K in FileKind]: FileOf<K> }[FileKind];

export interface Descriptor {
  fd: number;
  file: FileId;
  cloexec: boolean;
}

/** A descriptor table; `pid` is `share.files`'s. */
export interface FdsFrame {
  t: 'fds';
  pid: number;
  fds: Descriptor[];
}

/** Once a pipe or fifo inode. */
export interface PipeFrame {
  t: 'pipe';
  ino: Hex;
  capacity: number;
  data: Bytes;
  packet: boolean;
  /** Lengths of the packets in flight, where there are several. */
  packets?: number[];
  /** An end exists outside the tree only (not merely closed). */
  peer_missing: boolean;
}

/** A deleted file whose content was copied. */
export interface GhostFrame {
  t: 'ghost';
  dev: number;
  ino: Hex;
  mode: number;
  rdev: number;
  nlink: number;
  uid: number;
  gid: number;
  size: Hex;
  atime: [seconds: number, nanoseconds: number];
  mtime: [seconds: number, nanoseconds: number];
  /** Name in images_dir of a temporary file, the orchestrator's to remove; absent: no regular file. */
  content?: string;
  /** Offset and length of each run of data, by turns; the rest are holes. */
  extents?: number[];
  /** It occupies more than `ghost_limit`. */
  too_large?: boolean;
}
