//! Threads that cannot be captured: what they have, no image can hold.

use super::status::Status;
use crate::error::{Code, Error, Result};
use crate::sys::{self, Kcmp};
use std::cmp::Ordering;

/// Errors: `UnsupportedObject`.
pub fn check(pid: i32, tid: i32, status: &Status) -> Result<()> {
    let refused = |what: &str| {
        let message = format!("thread {tid} of pid {pid} {what}, which cannot be dumped");
        Err(Error::new(Code::UnsupportedObject, message).with_pid(pid))
    };
    if status.field("x86_Thread_features").is_some_and(|features| features.contains("shstk")) {
        return refused("has a shadow stack");
    }
    // Kernels that do not know the request (before 6.4) have no way to tell.
    if sys::ptrace_user_dispatch(tid).unwrap_or(false) {
        return refused("has its system calls dispatched to itself (PR_SET_SYSCALL_USER_DISPATCH)");
    }
    if tid != pid && !shares(pid, tid, Kcmp::Files)? {
        return refused("has a descriptor table of its own");
    }
    if tid != pid && !shares(pid, tid, Kcmp::Fs)? {
        return refused("has a working directory of its own");
    }
    Ok(())
}

fn shares(pid: i32, tid: i32, what: Kcmp) -> Result<bool> {
    let compared = sys::kcmp(pid, tid, what);
    let compared = compared.map_err(|e| Error::of_task(tid, "comparing it with its leader", e))?;
    Ok(compared == Ordering::Equal)
}
