//! The keeper: a process that holds the userfaultfds of a tree between sets of images, so that
//! what is written to meanwhile is known (memory/tracker.rs). It ends with the tree's root, and when
//! it ends, whatever the reason, the kernel takes away all that it had registered.
//!
//! words: what is said to it · place: its socket · keeper: the process · client: how it is spoken to

mod client;
mod keeper;
mod place;
mod words;

pub use client::{marked, overlapping, Session};
pub use keeper::run;

use crate::capture::stat::Stat;
use crate::error::Result;

/// The argument that makes a keeper of the helper; the pid and start time of the root follow.
pub const ARGUMENT: &str = "keep";

/// A process that no other will ever be: its pid, and when it was started, in ticks since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub pid: i32,
    pub start: u64,
}

impl Key {
    /// Errors: `TargetGone`.
    pub fn of(pid: i32) -> Result<Self> {
        Ok(Key { pid, start: Stat::read(pid)?.number(22)? })
    }
}
