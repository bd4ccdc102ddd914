//! Go before others while the target waits, where there are others.
//!
//! Its pause is a few milliseconds of work, many of them hand-overs from one CPU to another; on a
//! busy machine each may wait for its turn, which makes ten times as much. As a real-time thread
//! the helper does not: sched(7), SCHED_FIFO. On an idle machine that does harm instead: the target
//! never gets the CPU that we are on, and each hand-over crosses to another; a third more in all.
//! Copying page data is not meant by that, since it may take seconds, and nobody else is to wait
//! for those.

use crate::sys;
use std::fs;
use std::thread;

/// This thread goes first until it is dropped. Where that is not allowed (CAP_SYS_NICE,
/// RLIMIT_RTPRIO), all goes as before.
pub struct Urgent {
    policy: i32,
}

impl Urgent {
    pub fn new() -> Self {
        let policy = if crowded() { libc::SCHED_FIFO } else { libc::SCHED_OTHER };
        set(policy);
        Urgent { policy }
    }

    /// Do this part of the work at the rank of any other thread.
    pub fn at_ease<T>(&self, work: impl FnOnce() -> T) -> T {
        set(libc::SCHED_OTHER);
        let result = work();
        set(self.policy);
        result
    }
}

impl Drop for Urgent {
    fn drop(&mut self) {
        set(libc::SCHED_OTHER);
    }
}

fn set(policy: i32) {
    let priority = i32::from(policy == libc::SCHED_FIFO);
    let _ = sys::sched_setscheduler(policy, priority);
}

/// There are others for every CPU. proc_loadavg(5): what is runnable at this moment, us included.
fn crowded() -> bool {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let runnable = load.split([' ', '/']).nth(3).and_then(|number| number.parse().ok());
    let others = runnable.unwrap_or(1usize).saturating_sub(1);
    thread::available_parallelism().is_ok_and(|cpus| others >= cpus.get())
}
