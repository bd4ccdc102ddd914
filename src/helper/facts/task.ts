/**
 * Facts of a process: what all its threads share.
 */

import type { Bytes, FileId, Hex } from './scalar.js';

/** Inode numbers of /proc/PID/ns. */
export interface Namespaces {
  pid: Hex;
  pid_for_children: Hex;
  net: Hex;
  ipc: Hex;
  uts: Hex;
  mnt: Hex;
  user: Hex;
  cgroup: Hex;
  time: Hex;
  time_for_children: Hex;
}

export interface MemoryMap {
  start_code: Hex;
  end_code: Hex;
  start_data: Hex;
  end_data: Hex;
  start_stack: Hex;
  start_brk: Hex;
  brk: Hex;
  arg_start: Hex;
  arg_end: Hex;
  env_start: Hex;
  env_end: Hex;
  auxv: Bytes;
  exe: FileId;
}

/** A struct sigaction as rt_sigaction(2) returns it. */
export interface Sigaction {
  handler: Hex;
  flags: Hex;
  restorer: Hex;
  mask: Hex;
}

export interface Itimer {
  interval_us: Hex;
  value_us: Hex;
}

export interface PosixTimer {
  id: number;
  /** Negative for CPU clocks of a process or thread. */
  clockid: number;
  /** SIGEV_*. */
  notify: number;
  signo: number;
  sigval: Hex;
  /** For SIGEV_THREAD_ID. */
  tid?: number;
  overrun: number;
  interval_ns: Hex;
  value_ns: Hex;
}

/** For each shareable table the first task of the tree that holds it (the task itself if none). */
export interface Share {
  vm: number;
  files: number;
  fs: number;
  sighand: number;
}

interface TaskBase {
  t: 'task';
  pid: number;
  ppid: number;
  pgid: number;
  sid: number;
  /** `[pid]` first; `[pid]` alone for a zombie. */
  tids: number[];
  comm: string;
  /** PF_*, field 9 of /proc/PID/stat. */
  flags: number;
}

export interface ZombieFrame extends TaskBase {
  state: 'zombie';
  /** The wait status, field 52 of /proc/PID/stat. */
  exit_code: number;
}

export interface LiveTaskFrame extends TaskBase {
  state: 'alive' | 'stopped';
  /** For `stopped`: the signal of the group-stop. */
  stop_signo?: number;
  /** Field 22 of /proc/PID/stat. */
  start_time: Hex;
  personality: number;
  umask: number;
  oom_score_adj: number;
  loginuid?: number;
  child_subreaper: boolean;
  dumpable: number;
  thp_disabled: boolean;
  membarrier: number;
  mm: MemoryMap;
  fs: { cwd: FileId; root: FileId };
  /** Soft and hard; the index is RLIMIT_*. */
  rlimits: [soft: Hex, hard: Hex][];
  /** The index is the signal's number less one. */
  sigactions: Sigaction[];
  /** The shared queue: siginfo_t, 128 bytes each. */
  pending: Bytes[];
  itimers: { real: Itimer; virtual: Itimer; prof: Itimer };
  posix_timers: PosixTimer[];
  share: Share;
  ns: Namespaces;
  /** /proc/PID/cgroup. */
  cgroups: { controllers: string; path: string }[];
  lsm_profile?: string;
}

export type TaskFrame = LiveTaskFrame | ZombieFrame;
