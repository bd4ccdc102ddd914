//! Which descriptors share one open file description. kcmp(2) tells, and its order makes it a
//! binary search among the descriptions of the same inode number, nearly always one or two.
//!
//! Only the inode number sorts beforehand: position and flags may be changed at any time by a
//! process outside the tree that shares the description.

use super::fact::{File, FileId};
use std::cmp::Ordering;
use std::collections::HashMap;

/// A descriptor of a task: (pid, number).
pub type At = (i32, i32);

#[derive(Default)]
pub struct Descriptions {
    /// By inode number, each list ascending in kcmp's order.
    known: HashMap<u64, Vec<Known>>,
}

#[derive(Clone, Copy)]
pub struct Known {
    pub id: FileId,
    /// One place where it is open.
    pub at: At,
}

pub enum Place {
    Found(FileId),
    /// New, and where to insert it.
    Missing(usize),
}

impl Descriptions {
    /// `order` tells how the description at a place compares to the one looked for.
    pub fn find<F>(&self, ino: u64, mut order: F) -> nix::Result<Place>
    where
        F: FnMut(At) -> nix::Result<Ordering>,
    {
        let known = self.of_inode(ino);
        let (mut from, mut to) = (0, known.len());
        while from < to {
            let middle = (from + to) / 2;
            match order(known[middle].at)? {
                Ordering::Equal => return Ok(Place::Found(known[middle].id)),
                Ordering::Less => from = middle + 1,
                Ordering::Greater => to = middle,
            }
        }
        Ok(Place::Missing(from))
    }

    /// `index` as `find` gave it.
    pub fn insert(&mut self, ino: u64, index: usize, known: Known) {
        self.known.entry(ino).or_default().insert(index, known);
    }

    pub fn of_inode(&self, ino: u64) -> &[Known] {
        self.known.get(&ino).map_or(&[], Vec::as_slice)
    }

    /// Where a description is open.
    pub fn place(&self, file: &File) -> Option<At> {
        let same = self.of_inode(file.inode.ino.0).iter().find(|known| known.id == file.id)?;
        Some(same.at)
    }
}
