//! The signal by which a thread tells that it has made a chain of calls (lent.rs): it sends it to
//! itself, and stops for its tracer before it takes it. Should the tracer be dead by then, the
//! kernel drops the signal, since the process ignores it, by default or by choice.

use super::frame;
use crate::capture::regs::Context;
use crate::capture::status::Status;
use libc::{SIGCHLD, SIGCONT, SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH};

/// Ignored by default: signal(7).
const HARMLESS: [i32; 3] = [SIGURG, SIGWINCH, SIGCHLD];

/// What sending these does, it does whether they are ignored or not.
const MEANINGFUL: [i32; 6] = [SIGKILL, SIGSTOP, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU];

#[derive(Clone, Copy, Debug)]
pub struct Bell {
    pub signo: i32,
    /// Of the thread, in its own pid namespace.
    pub tgid: u64,
    pub tid: u64,
}

impl Bell {
    /// For a stopped thread. None where no signal will do, where its calls would have to pass a
    /// seccomp filter, or where its own system call goes on by its restart_block.
    pub fn choose(status: &Status, context: &Context) -> Option<Self> {
        if status.confined() || frame::restarts(&context.regs.0) {
            return None;
        }
        let set = |name| status.number(name, 16).ok();
        let ignored = set("SigIgn")?;
        let taken = set("SigCgt")? | set("SigPnd")? | set("ShdPnd")?;
        let is_in = |signals: u64, signo: i32| signals >> (signo - 1) & 1 != 0;
        let by_choice =
            (1..=64).filter(|signo| is_in(ignored, *signo) && !MEANINGFUL.contains(signo));
        let signo = HARMLESS.into_iter().chain(by_choice).find(|&signo| !is_in(taken, signo))?;
        let own = |name| status.words(name).ok()?.last()?.parse().ok();
        Some(Bell { signo, tgid: own("NStgid")?, tid: own("NSpid")? })
    }
}
