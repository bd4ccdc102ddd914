//! Takes away what is left of snapshot children (remote/child.rs), which only their parents can.

use crate::capture::process;
use crate::capture::stat::Stat;
use crate::capture::status::Status;
use crate::error::{Code, Error, Result};
use crate::freeze::Frozen;
use crate::limit::Limit;
use crate::proc;
use crate::remote::{self, Gadgets};
use crate::tree::{self, Seen};
use crate::wire::Action;
use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

/// How often, and after how long, it is tried again where threads have yet to recover.
const TRIES: u32 = 10;
const RESPITE: Duration = Duration::from_millis(20);

/// Sees to it that a dump leaves no dead children, however it ends.
pub struct Reaper(pub i32);

impl Drop for Reaper {
    fn drop(&mut self) {
        for _ in 0..TRIES {
            match reap(self.0, &Limit::default()) {
                Err(error) if error.code == Code::TargetChanged => thread::sleep(RESPITE),
                _ => return, // what cannot be done now, the next dump does
            }
        }
    }
}

/// Have parents in the tree wait for their dead snapshot children, be they of this dump or of one
/// that was killed. Their main threads are stopped for that; how long, the longest.
///
/// Errors: those of `Frozen::leader`, `process::look`, `process::reap`; `TargetChanged` where a child
/// of a dump that was killed has not come to its end yet.
pub fn reap(root: i32, limit: &Limit) -> Result<Duration> {
    let mut longest = Duration::ZERO;
    let mut gadgets = Gadgets::default();
    for (parent, dead) in find(root)? {
        gadgets.prepare(&[parent]);
        let frozen = Frozen::leader(parent, limit)?;
        let stopped = process::look(&frozen.tasks, limit)?;
        process::reap(&stopped, &dead, &mut gadgets)?;
        drop(stopped);
        longest = longest.max(frozen.finish(Action::Run)?);
    }
    Ok(longest)
}

/// By their parents, the pids by which those know them.
fn find(root: i32) -> Result<BTreeMap<i32, Vec<u64>>> {
    let mut found: BTreeMap<i32, Vec<u64>> = BTreeMap::new();
    let tree = tree::walk(root)?;
    for child in tree.iter().filter(|task| task.pid != root && is_ours(task.pid)) {
        if let Some(pid) = pid_of(child)? {
            found.entry(child.ppid).or_default().push(pid);
        }
    }
    Ok(found)
}

/// Has it the name of a snapshot child, and tells nobody of its end? stat field 38.
fn is_ours(pid: i32) -> bool {
    let silent =
        Stat::read(pid).and_then(|stat| stat.number::<i32>(38)).is_ok_and(|signo| signo == 0);
    silent && proc::comm(pid).is_ok_and(|name| name == remote::CHILD)
}

/// The pid by which its parent knows it: they are in one namespace, the last of its own. None while
/// another dump has it. Errors: `TargetChanged` where it is about to end.
fn pid_of(task: &Seen) -> Result<Option<u64>> {
    let status = Status::read(task.pid)?;
    if !task.zombie {
        if status.number("TracerPid", 10)? != 0 {
            return Ok(None);
        }
        let what = format!("pid {}: the child of a dump that was killed is about to end", task.pid);
        return Err(Error::new(Code::TargetChanged, what).with_pid(task.pid));
    }
    let pid = status.words("NSpid")?.last().and_then(|pid| pid.parse().ok());
    pid.map(Some).ok_or_else(|| status.odd("NSpid"))
}
