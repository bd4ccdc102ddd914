//! The tree as the freeze found it: what every capture starts from.

use std::os::fd::OwnedFd;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Alive,
    Zombie,
    /// In a group-stop by this signal when it was frozen.
    Stopped(i32),
}

/// A frozen process of the tree. All pids are those of ckpt's own pid namespace.
#[derive(Debug)]
pub struct Task {
    pub pid: i32,
    /// Its parent; for the root of the tree, whoever that is.
    pub ppid: i32,
    pub state: State,
    /// Threads, the leader (== pid) first; the leader alone for a zombie.
    pub tids: Vec<i32>,
    /// Refers to this very process whatever becomes of its number.
    pub pidfd: OwnedFd,
    /// The first task of the tree with the same address space (CLONE_VM), itself if none.
    pub vm: i32,
    /// The same for the descriptor table (CLONE_FILES), fs and sighand.
    pub files: i32,
    pub fs: i32,
    pub sighand: i32,
}
