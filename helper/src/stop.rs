//! Waiting for a tracee to stop. ptrace(2), "Stopped states".

use crate::error::{Error, Result};
use crate::limit::Limit;
use crate::sys::{self, Report};
use nix::errno::Errno;
use nix::sys::timer::Timer;
use std::time::{Duration, Instant};

/// How often a wait looks at the limit.
const TICK: Duration = Duration::from_millis(20);

thread_local! {
    /// What makes it look.
    static TICKS: nix::Result<Timer> = sys::tick(TICK);
}

/// A ptrace-stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// What PTRACE_INTERRUPT asked for.
    Interrupted,
    /// Its process is in a group-stop by this signal.
    Group(i32),
    /// It is about to take this signal.
    Signal(i32),
    /// At the entry to or the exit from a system call (PTRACE_SYSCALL, PTRACE_O_TRACESYSGOOD).
    Syscall,
    /// In a clone(2) that has made a child (PTRACE_O_TRACECLONE).
    Clone,
}

/// What became of the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    Stopped(Stop),
    /// It is no tracee of ours any more: killed, or replaced by an execve of another thread.
    Gone,
    /// It still runs after `patience`.
    Running,
}

/// Wait for the next stop of `tid`, `patience` at most. Errors: those of `limit`, `Kernel`.
pub fn wait(tid: i32, patience: Duration, limit: &Limit) -> Result<Waited> {
    let start = Instant::now();
    let waiting = |errno| Error::of_task(tid, "waiting for its stop", errno);
    TICKS.with(|ticks| ticks.as_ref().map(drop).map_err(|&errno| waiting(errno)))?;
    loop {
        match sys::wait_report(tid) {
            Ok(Some(Report::Stopped(code))) => return Ok(Waited::Stopped(stop_of(code))),
            Ok(Some(Report::Ended)) => return Ok(Waited::Gone),
            Ok(None) => {}
            Err(Errno::ECHILD | Errno::ESRCH) => return Ok(Waited::Gone),
            Err(errno) => return Err(waiting(errno)),
        }
        limit.check()?;
        if start.elapsed() >= patience {
            return Ok(Waited::Running);
        }
    }
}

fn stop_of(code: i32) -> Stop {
    let (signo, event) = (code & 0xff, code >> 8);
    match event {
        libc::PTRACE_EVENT_STOP if signo == libc::SIGTRAP => Stop::Interrupted,
        libc::PTRACE_EVENT_STOP => Stop::Group(signo),
        libc::PTRACE_EVENT_CLONE => Stop::Clone,
        _ if signo == libc::SIGTRAP | 0x80 => Stop::Syscall,
        _ => Stop::Signal(signo),
    }
}
