//! Which tasks of the tree share an address space, descriptor table, and so on: CLONE_VM,
//! CLONE_FILES, CLONE_FS and CLONE_SIGHAND of clone(2), as kcmp(2) tells.

use crate::sys::{self, Kcmp};
use std::cmp::Ordering;

/// For each kind, the first holder of each object, in kcmp's order.
#[derive(Default)]
pub struct Sharing([Vec<i32>; 4]);

const KINDS: [Kcmp; 4] = [Kcmp::Vm, Kcmp::Files, Kcmp::Fs, Kcmp::Sighand];

impl Sharing {
    /// The first task that holds the same as `pid`, itself if it is the first: of address space,
    /// descriptor table, fs and signal handlers.
    pub fn of(&mut self, pid: i32) -> nix::Result<[i32; 4]> {
        let mut first = [pid; 4];
        for ((first, holders), kind) in first.iter_mut().zip(&mut self.0).zip(KINDS) {
            *first = first_holder(holders, pid, kind)?;
        }
        Ok(first)
    }
}

/// Binary search, so that a tree of many processes takes few comparisons.
fn first_holder(holders: &mut Vec<i32>, pid: i32, kind: Kcmp) -> nix::Result<i32> {
    let mut failed = None;
    let place = holders.binary_search_by(|&holder| {
        sys::kcmp(holder, pid, kind).unwrap_or_else(|errno| {
            failed = Some(errno);
            Ordering::Equal
        })
    });
    match (failed, place) {
        (Some(errno), _) => Err(errno),
        (None, Ok(place)) => Ok(holders[place]),
        (None, Err(place)) => {
            holders.insert(place, pid);
            Ok(pid)
        }
    }
}
