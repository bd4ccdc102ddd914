//! A thread: what it was doing, who it is, and how it is scheduled.

use super::creds::Creds;
use super::regs::{Context, Regs};
use super::rseq::{Rseq, Sequence};
use super::signals::Altstack;
use super::status::Status;
use crate::error::{Error, Result};
use crate::remote::{Arg, Asked, Results, Room, Script};
use crate::sys;
use crate::value::{Bytes, Hex};
use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "t", rename = "thread")]
pub struct Thread {
    pid: i32,
    tid: i32,
    comm: String,
    regs: Regs,
    xsave: Bytes,
    clear_child_tid: Hex,
    robust_list: RobustList,
    #[serde(skip_serializing_if = "Option::is_none")]
    rseq: Option<Rseq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rseq_cs: Option<Sequence>,
    sigmask: Hex,
    /// Private queue.
    pending: Vec<Bytes>,
    altstack: Altstack,
    sched: Sched,
    pdeath_signal: i32,
    no_new_privs: bool,
    seccomp: u32,
    creds: Creds,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct RobustList {
    head: Hex,
    len: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Sched {
    policy: u32,
    priority: u32,
    nice: i32,
    reset_on_fork: bool,
}

/// What only the thread itself can ask: prctl(2), sigaltstack(2).
pub struct Questions {
    altstack: Room,
    clear_child_tid: Room,
    pdeath_signal: Room,
    securebits: Asked,
}

impl Questions {
    pub fn ask(script: &mut Script) -> Self {
        let altstack = script.room(Altstack::SIZE);
        let (clear_child_tid, pdeath_signal) = (script.room(8), script.room(4));
        let what = "reading its alternate signal stack";
        script.call(what, libc::SYS_sigaltstack, [Arg::Is(0), Arg::At(altstack)]);
        let mut prctl = |option: i32, arg| {
            let args = [Arg::Is(option as u64), arg];
            script.call("reading its attributes (prctl)", libc::SYS_prctl, args)
        };
        prctl(libc::PR_GET_TID_ADDRESS, Arg::At(clear_child_tid));
        prctl(libc::PR_GET_PDEATHSIG, Arg::At(pdeath_signal));
        let securebits = prctl(libc::PR_GET_SECUREBITS, Arg::Is(0));
        Questions { altstack, clear_child_tid, pdeath_signal, securebits }
    }
}

impl Thread {
    /// Put together what the stopped thread `tid` of process `pid` is, asking the rest from outside.
    pub fn capture(
        (pid, tid): (i32, i32),
        status: &Status,
        context: Context,
        pending: Vec<Bytes>,
        (asked, results): (Questions, &Results),
    ) -> Result<Self> {
        let failed = |doing| move |errno| Error::of_task(tid, doing, errno);
        let (head, len) = sys::robust_list(tid).map_err(failed("reading its robust list"))?;
        let sched = sys::sched_getattr(tid).map_err(failed("reading its scheduling"))?;
        Ok(Thread {
            pid,
            tid,
            comm: status.comm()?,
            regs: context.regs,
            xsave: context.xsave,
            clear_child_tid: Hex(results.word(asked.clear_child_tid)),
            robust_list: RobustList { head: Hex(head), len },
            rseq: context.rseq,
            rseq_cs: context.rseq_cs,
            sigmask: Hex(context.sigmask),
            pending,
            altstack: Altstack::parse(results.bytes(asked.altstack)),
            sched: Sched {
                policy: sched.sched_policy,
                priority: sched.sched_priority,
                nice: sched.sched_nice,
                reset_on_fork: sched.sched_flags & libc::SCHED_FLAG_RESET_ON_FORK as u64 != 0,
            },
            pdeath_signal: results.int(asked.pdeath_signal),
            no_new_privs: status.number("NoNewPrivs", 10)? != 0,
            seccomp: status.number("Seccomp", 10)? as u32,
            creds: Creds::parse(status, results.value(asked.securebits) as u32)?,
        })
    }
}
