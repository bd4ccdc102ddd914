//! Waiting for a tracee to stop. ptrace(2), "Stopped states".

use crate::error::{Error, Result};
use crate::limit::Limit;
use crate::sys::{self, Report};
use nix::errno::Errno;
use std::time::{Duration, Instant};

/// How often a wait looks at the limit. A stop itself ends the wait at once, by its SIGCHLD.
const TICK: Duration = Duration::from_millis(20);

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
    loop {
        match sys::wait_report(tid) {
            Ok(Some(Report::Stopped(code))) => return Ok(Waited::Stopped(stop_of(code))),
            Ok(Some(Report::Ended)) => return Ok(Waited::Gone),
            Ok(None) => {}
            Err(Errno::ECHILD | Errno::ESRCH) => return Ok(Waited::Gone),
            Err(errno) => return Err(Error::of_task(tid, "waiting for its stop", errno)),
        }
        limit.check()?;
        let left = patience.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Ok(Waited::Running);
        }
        sys::wait_sigchld(left.min(TICK));
    }
}

fn stop_of(code: i32) -> Stop {
    let (signo, event) = (code & 0xff, code >> 8);
    match event {
        libc::PTRACE_EVENT_STOP if signo == libc::SIGTRAP => Stop::Interrupted,
        libc::PTRACE_EVENT_STOP => Stop::Group(signo),
        _ if signo == libc::SIGTRAP | 0x80 => Stop::Syscall,
        _ => Stop::Signal(signo),
    }
}
