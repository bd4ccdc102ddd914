//! What was written since the set of images before this one, and from this one on: of the address
//! spaces that a keeper holds userfaultfds of, and of those that this set adds. tracker.rs

use super::runs::Runs;
use super::scan::{Pages, Scanner};
use super::tracker::Tracker;
use crate::capture::vma::Vma;
use crate::error::{Code, Result};
use crate::keep::Key;
use crate::limit::Limit;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Counts of pages. docs/protocol.md, "captured".
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Counts {
    /// Whose next write will be seen.
    pub tracked: u64,
    /// Not written since the set before.
    pub unchanged: u64,
}

struct Space {
    key: Key,
    tracker: Tracker,
    /// What is clean in it was not written since the set before.
    known: bool,
    /// A keeper has its userfaultfd.
    kept: bool,
    /// Protected by this set.
    protected: bool,
}

#[derive(Default)]
pub struct Changes {
    /// By pid.
    spaces: BTreeMap<i32, Space>,
    /// Protect what is found, so that the next set can tell.
    protect: bool,
    /// What a pass found that had to be made again, by pid.
    earlier: BTreeMap<i32, Runs>,
    /// Processes whose memory is registered with keepers' userfaultfds.
    marked: HashSet<i32>,
    counts: Counts,
}

impl Changes {
    /// `marked` are the processes whose memory keepers have registered.
    pub fn new(protect: bool, marked: HashSet<i32>) -> Self {
        Changes { protect, marked, ..Changes::default() }
    }

    /// A space that a keeper has, if it is still there. With `known` pages that are clean are those
    /// of the set before.
    pub fn add_kept(&mut self, key: Key, uffd: OwnedFd, known: bool) {
        let tracker = Tracker::again(uffd);
        if tracker.is_of_living() {
            let space = Space { key, tracker, known, kept: true, protected: false };
            self.spaces.insert(key.pid, space);
        }
    }

    /// There may be pages that were not written since the set before.
    pub fn know_some(&self) -> bool {
        self.spaces.values().any(|space| space.known)
    }

    /// A space that is new, with a userfaultfd that it made. Errors: those of `Tracker::new`.
    pub fn add_new(&mut self, key: Key, uffd: OwnedFd) -> Result<()> {
        let tracker = Tracker::new(key.pid, uffd)?;
        let space = Space { key, tracker, known: false, kept: false, protected: false };
        self.spaces.insert(key.pid, space);
        Ok(())
    }

    /// There is a userfaultfd of this very process.
    pub fn has(&self, key: Key) -> bool {
        self.spaces.get(&key.pid).is_some_and(|space| space.key == key)
    }

    /// Its mappings show that somebody tracks them.
    pub fn marks(&self, pid: i32) -> bool {
        self.marked.contains(&pid) || self.spaces.contains_key(&pid)
    }

    /// What is clean in it counts as such.
    pub fn knows(&self, pid: i32) -> bool {
        let space = self.spaces.get(&pid).filter(|space| space.known);
        space.is_some_and(|space| Key::of(pid).is_ok_and(|key| key == space.key))
    }

    /// The pages to dump of an address space, those that were not written since the set before as
    /// clean; and protect them all if that is wanted. Memory that cannot be tracked is never clean.
    ///
    /// Errors: those of `Scanner::scan`.
    pub fn scan(
        &mut self,
        pid: i32,
        vmas: &[Vma],
        scanner: &mut Scanner,
        limit: &Limit,
    ) -> Result<Pages> {
        let known = self.knows(pid) && !vmas.iter().any(Vma::is_aio_ring);
        let mut pages = scanner.scan(pid, vmas, known, limit)?;
        if let Some(earlier) = self.earlier.get(&pid) {
            pages.runs.mark_written(&earlier.dirty());
        }
        if self.protect && self.register(pid, vmas)? {
            // Whoever writes between scan and protection makes a page protected that was taken for
            // clean, or not seen at all.
            let written = scanner.protect(pid, vmas, limit)?;
            pages.runs.add_written(written.as_slice());
            self.counts.tracked += written.pages() + pages.runs.clean_pages();
            self.spaces.get_mut(&pid).iter_mut().for_each(|space| space.protected = true);
        }
        self.counts.unchanged += pages.runs.clean_pages();
        Ok(pages)
    }

    /// Mappings that are new are registered after the scan: before Linux 6.13 what mremap(2) moved
    /// looks protected. False: it is not tracked, and nothing of ours stays there.
    fn register(&mut self, pid: i32, vmas: &[Vma]) -> Result<bool> {
        let Some(space) = self.spaces.get(&pid) else { return Ok(false) };
        let same = Key::of(pid).is_ok_and(|key| key == space.key);
        let registered = if same { space.tracker.register(pid, vmas) } else { Ok(false) };
        match registered {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) if [Code::TargetGone, Code::UnsupportedObject].contains(&error.code) => {}
            Err(error) => return Err(error),
        }
        self.spaces.remove(&pid);
        self.marked.insert(pid);
        Ok(false)
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// To make a pass again. What it found to be written has been protected, and still counts.
    pub fn again(mut self, found: impl Iterator<Item = (i32, Runs)>) -> Self {
        self.earlier.extend(found);
        self.counts = Counts::default();
        self.spaces.values_mut().for_each(|space| space.protected = false);
        self
    }

    /// The spaces that are tracked from this set on; and whether a keeper has their userfaultfds.
    pub fn tracked(&self) -> impl Iterator<Item = (Key, BorrowedFd<'_>, bool)> {
        let protected = self.spaces.values().filter(|space| space.protected);
        protected.map(|space| (space.key, space.tracker.as_fd(), space.kept))
    }
}
