//! Stopping a tree for a moment, to have its address spaces make the userfaultfds that tell of writes.

use crate::awake::Awake;
use crate::capture::process;
use crate::error::Result;
use crate::freeze::Frozen;
use crate::limit::Limit;
use crate::remote::Gadgets;
use crate::task::State;
use crate::wire::Action;
use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// What came of the moment.
pub struct Followed {
    /// Processes there are.
    pub pids: HashSet<i32>,
    /// The first of each address space.
    pub owners: Vec<i32>,
    /// The userfaultfds, by the pid of the first process that uses the address space.
    pub made: Vec<(i32, OwnedFd)>,
    /// How long the tree was stopped.
    pub stopped: Duration,
}

/// Have those of the tree's address spaces make one that are `new`.
///
/// Errors: those of `Frozen::tree`, `process::look`, `process::make_userfaultfds`.
pub fn follow(
    root: i32,
    new: &dyn Fn(i32) -> bool,
    gadgets: &mut Gadgets,
    limit: &Limit,
) -> Result<Followed> {
    let awake = Awake::new();
    let frozen = Frozen::tree(root, limit)?;
    let alive = || frozen.tasks.iter().filter(|task| task.state != State::Zombie);
    let owners: Vec<i32> =
        alive().filter(|task| task.vm == task.pid).map(|task| task.pid).collect();
    let wanted: Vec<i32> = owners.iter().copied().filter(|&pid| new(pid)).collect();
    let pids = alive().map(|task| task.pid).collect();
    let stopped = process::look(&frozen.tasks, limit)?;
    let made = process::make_userfaultfds(&stopped, &wanted, gadgets)?;
    drop(stopped);
    let stopped = frozen.finish(Action::Run)?;
    drop(awake);
    Ok(Followed { pids, owners, made, stopped })
}
