/**
 * Facts of one thread: registers, signals, scheduling, credentials.
 */

import type { Bytes, Hex } from './scalar.js';

/** The fields of user_regs_struct. */
export const REGISTERS = [
  'r15',
  'r14',
  'r13',
  'r12',
  'bp',
  'bx',
  'r11',
  'r10',
  'r9',
  'r8',
  'ax',
  'cx',
  'dx',
  'si',
  'di',
  'orig_ax',
  'ip',
  'cs',
  'flags',
  'sp',
  'ss',
  'fs_base',
  'gs_base',
  'ds',
  'es',
  'fs',
  'gs',
] as const;

export type Registers = Record<(typeof REGISTERS)[number], Hex>;

export interface Rseq {
  ptr: Hex;
  size: number;
  signature: number;
  flags: number;
  /** Value of the rseq_cs field: address of the critical section's descriptor, or 0. */
  cs: Hex;
}

/** struct rseq_cs, read where `Rseq.cs` points. */
export interface RseqCriticalSection {
  start: Hex;
  post_commit_offset: Hex;
  abort: Hex;
  flags: number;
}

export interface Credentials {
  uid: number;
  euid: number;
  suid: number;
  fsuid: number;
  gid: number;
  egid: number;
  sgid: number;
  fsgid: number;
  groups: number[];
  cap_inh: Hex;
  cap_prm: Hex;
  cap_eff: Hex;
  cap_bnd: Hex;
  cap_amb: Hex;
  securebits: number;
}

export interface ThreadFrame {
  t: 'thread';
  pid: number;
  tid: number;
  comm: string;
  regs: Registers;
  /** NT_X86_XSTATE, standard format. */
  xsave: Bytes;
  clear_child_tid: Hex;
  robust_list: { head: Hex; len: number };
  rseq?: Rseq;
  rseq_cs?: RseqCriticalSection;
  sigmask: Hex;
  /** The private queue: siginfo_t, 128 bytes each. */
  pending: Bytes[];
  altstack: { sp: Hex; size: Hex; flags: number };
  sched: { policy: number; priority: number; nice: number; reset_on_fork: boolean };
  pdeath_signal: number;
  no_new_privs: boolean;
  /** 0 none, 1 strict, 2 filter. */
  seccomp: number;
  creds: Credentials;
  timerslack_ns?: Hex;
  ioprio?: number;
  affinity?: Bytes;
}
