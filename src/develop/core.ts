/**
 * core-PID.img and core-TID.img: what a thread is made of, and for a leader its whole process.
 */

import type { LiveTaskFrame, ThreadFrame, XsaveLayout, ZombieFrame } from '../helper/protocol.js';
import { core_entry_march } from '../images/gen/core.js';
import { developCreds } from './creds.js';
import type { Entry } from './entry.js';
import { refuse } from './refuse.js';
import { developRegisters } from './regs.js';
import { developRseq, leaveSection } from './rseq.js';
import { developSched } from './sched.js';
import { developQueue, developShared, developSigactions } from './signals.js';
import { developTimers } from './timers.js';
import { developXsave } from './xsave.js';

/** States of a task, as CRIU numbers them in images. */
const ALIVE = 1;
const DEAD = 2;
const STOPPED = 3;
/** The code segment of 64-bit programs (__USER_CS of the kernel's asm/segment.h). */
const USER_CS = 0x33n;

/** What a core needs to know beside the thread's own facts. */
export interface CoreContext {
  xsave: XsaveLayout;
  /** The id of the task's control groups (see cgroup.ts). */
  cgroupSet: number;
}

/** The core of a task's leader: thread and process. */
export function developLeader(
  task: LiveTaskFrame,
  leader: ThreadFrame,
  context: CoreContext,
): Entry<'core_entry'> {
  return { ...developCore(leader, context), tc: developTask(task, leader) };
}

/** The core of any other thread. */
export function developThread(thread: ThreadFrame, context: CoreContext): Entry<'core_entry'> {
  const core = developCore(thread, context);
  return { ...core, thread_core: { ...core.thread_core!, blk_sigset: thread.sigmask } };
}

/** The core of a zombie: all that is left is how it ended. */
export function developZombie({ comm, exit_code }: ZombieFrame): Entry<'core_entry'> {
  const tc = { task_state: DEAD, exit_code, personality: 0, flags: 0, blk_sigset: 0, comm };
  return { mtype: core_entry_march.X86_64, tc };
}

function developCore(thread: ThreadFrame, context: CoreContext): Entry<'core_entry'> {
  const { pid, tid, regs } = thread;
  const place = { pid, object: `thread ${tid}` };
  if (BigInt(regs.cs) !== USER_CS) refuse(place, `no 64-bit code (code segment ${regs.cs})`);
  const gpregs = developRegisters(regs);
  return {
    mtype: core_entry_march.X86_64,
    thread_info: {
      clear_tid_addr: thread.clear_child_tid,
      gpregs: { ...gpregs, ip: leaveSection(thread, gpregs.ip as bigint) },
      fpregs: developXsave(Buffer.from(thread.xsave, 'base64'), context.xsave, place),
    },
    thread_core: developThreadCore(thread, context.cgroupSet),
  };
}

function developThreadCore(thread: ThreadFrame, cg_set: number): Entry<'thread_core_entry'> {
  const { pid, tid, altstack, robust_list } = thread;
  const place = { pid, object: `thread ${tid}` };
  if (thread.seccomp) refuse(place, 'confined by seccomp, which ckpt does not dump yet');
  return {
    futex_rla: robust_list.head,
    futex_rla_len: robust_list.len,
    ...developSched(thread, place),
    sas: { ss_sp: altstack.sp, ss_size: altstack.size, ss_flags: altstack.flags >>> 0 },
    pdeath_sig: thread.pdeath_signal || undefined,
    signals_p: developQueue(thread.pending),
    creds: developCreds(thread),
    comm: thread.comm,
    rseq_entry: developRseq(thread),
    cg_set,
  };
}

function developTask(task: LiveTaskFrame, leader: ThreadFrame): Entry<'task_core_entry'> {
  return {
    task_state: task.state === 'stopped' ? STOPPED : ALIVE,
    exit_code: 0,
    personality: task.personality,
    flags: task.flags,
    blk_sigset: leader.sigmask,
    comm: task.comm,
    timers: developTimers(task),
    rlimits: { rlimits: task.rlimits.map(([cur, max]) => ({ cur, max })) },
    signals_s: developShared(task),
    loginuid: task.loginuid,
    oom_score_adj: task.oom_score_adj,
    sigactions: developSigactions(task.sigactions),
    child_subreaper: task.child_subreaper,
    stop_signo: task.stop_signo,
    membarrier_registration_mask: task.membarrier || undefined,
  };
}
