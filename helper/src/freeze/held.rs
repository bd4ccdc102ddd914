//! Threads that are seized, and how they come to stop.

use crate::capture::stat::Stat;
use crate::capture::status::Status;
use crate::error::{Code, Error, Result};
use crate::limit::Limit;
use crate::stop::{self, Stop, Waited};
use crate::sys::{self, Resume};
use crate::tree::{self, Seen};
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks at a thread that is ending.
const ENDING: Duration = Duration::from_micros(200);

/// Threads seized so far, by tid: None while the thread runs.
#[derive(Default)]
pub struct Held(pub BTreeMap<i32, Option<Stop>>);

impl Held {
    /// Seize the threads that are not held yet. True if there were any.
    pub fn seize_all(&mut self, tree: &[Seen]) -> Result<bool> {
        let before = self.0.len();
        for task in tree.iter().filter(|task| !task.zombie) {
            for &tid in &task.tids {
                if !self.0.contains_key(&tid) && seize(task.pid, tid)? {
                    self.0.insert(tid, None);
                }
            }
        }
        Ok(self.0.len() > before)
    }

    /// Stop all that is held, and whatever more the tree turns out to have. The inner error is a
    /// thread that did not stop within `patience`.
    pub fn stop_tree(
        &mut self,
        root: i32,
        patience: Duration,
        limit: &Limit,
    ) -> Result<std::result::Result<Vec<Seen>, i32>> {
        let start = Instant::now();
        loop {
            if let Some(tid) = self.stop_all(patience, limit)? {
                return Ok(Err(tid));
            }
            let tree = tree::walk(root)?;
            if !tree.iter().any(|task| task.pid == root && !task.zombie) {
                return Err(Error::of_task(root, "freezing it", Errno::ESRCH));
            }
            if self.seize_all(&tree)? {
                continue;
            }
            match self.first_not_held(&tree) {
                None => return Ok(Ok(tree)),
                Some(tid) if start.elapsed() > patience => return Ok(Err(tid)),
                // It is on its way out, and will not be there at one of the next walks.
                Some(_) => thread::sleep(ENDING),
            }
        }
    }

    fn first_not_held(&self, tree: &[Seen]) -> Option<i32> {
        let alive = tree.iter().filter(|task| !task.zombie);
        alive.flat_map(|task| &task.tids).find(|tid| !self.0.contains_key(tid)).copied()
    }

    /// Stop all that still runs; one that does not stop within `patience`, if there is any.
    pub fn stop_all(&mut self, patience: Duration, limit: &Limit) -> Result<Option<i32>> {
        let start = Instant::now();
        let running = |(&tid, stop): (&i32, &Option<Stop>)| stop.is_none().then_some(tid);
        let running: Vec<i32> = self.0.iter().filter_map(running).collect();
        for &tid in &running {
            let _ = ptrace::interrupt(Pid::from_raw(tid)); // a dead one shows when it is waited for
        }
        let mut stuck = None;
        for tid in running {
            match wait_held(tid, patience.saturating_sub(start.elapsed()), limit)? {
                Waited::Stopped(stop) => {
                    self.0.insert(tid, Some(stop));
                }
                Waited::Gone => {
                    self.0.remove(&tid);
                }
                Waited::Running => stuck = Some(tid),
            }
        }
        Ok(stuck)
    }

    /// Let go of all that are stopped. Those that are not stay seized, which they do not notice.
    pub fn release(&mut self) {
        self.0.retain(|&tid, stop| {
            if stop.is_some() {
                // A thread that was killed meanwhile is no error: there is nothing to let go.
                let _ = sys::ptrace_resume(tid, Resume::Detach, 0);
            }
            stop.is_none()
        });
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
    }
}

/// True if the thread is ours now, false if it has ended. Errors: `Permission`, `TargetGone`.
fn seize(pid: i32, tid: i32) -> Result<bool> {
    match ptrace::seize(Pid::from_raw(tid), Options::PTRACE_O_TRACESYSGOOD) {
        Ok(()) => Ok(true),
        Err(Errno::ESRCH) => Ok(false),
        // EPERM is also what a thread on its way out gives.
        Err(_) if matches!(Stat::read(tid).map_or('X', |stat| stat.state()), 'X' | 'Z') => {
            Ok(false)
        }
        Err(errno) => Err(match tracer_of(tid) {
            Some(tracer) => Error::new(
                Code::Permission,
                format!("pid {pid} is traced by pid {tracer}, a debugger or another checkpoint"),
            )
            .with_pid(pid)
            .with_remedy(format!("end or detach pid {tracer} first")),
            None => Error::of_task(pid, "attaching to it (PTRACE_SEIZE)", errno)
                .with_remedy("run ckpt as root, or with CAP_SYS_PTRACE"),
        }),
    }
}

fn tracer_of(tid: i32) -> Option<u64> {
    let tracer = Status::read(tid).ok()?.number("TracerPid", 10).ok()?;
    (tracer != 0).then_some(tracer)
}

/// Wait for what PTRACE_INTERRUPT leads to. A signal that came first is let through.
fn wait_held(tid: i32, patience: Duration, limit: &Limit) -> Result<Waited> {
    loop {
        match stop::wait(tid, patience, limit)? {
            Waited::Stopped(Stop::Signal(signo)) => {
                let _ = sys::ptrace_resume(tid, Resume::Continue, signo);
            }
            Waited::Stopped(Stop::Syscall) => {
                let _ = sys::ptrace_resume(tid, Resume::Continue, 0);
            }
            waited => return Ok(waited),
        }
    }
}

pub fn not_stopping(tid: i32) -> Error {
    let state = Stat::read(tid).map_or('?', |stat| stat.state());
    let message =
        format!("thread {tid} does not stop: it is in state {state}, waiting in the kernel");
    Error::new(Code::Kernel, message)
        .with_pid(tid)
        .with_object(format!("thread {tid}"))
        .with_remedy(
            "dump it when its input or output or its vfork is done, or its control group thawed",
        )
}
