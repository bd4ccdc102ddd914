//! A set's place in a chain of sets: what the keeper knows of the set before, and what it has to
//! know for the one after.

use super::follow::follow;
use crate::error::{Code, Error, Result};
use crate::keep::{self, Key, Session};
use crate::limit::Limit;
use crate::memory::{Changes, Counts};
use crate::remote::Gadgets;
use crate::share::Sharing;
use crate::tree;
use crate::wire::TrackingRequest;
use serde::Serialize;
use std::time::Duration;

pub struct Chain {
    root: Key,
    request: Option<TrackingRequest>,
    /// That of the tree, taken by us.
    keeper: Option<Session>,
    keeper_pid: Option<i32>,
    /// Keepers whose epoch is no more, since we protect what they have.
    claimed: Vec<Session>,
    /// What is told as unchanged is so since this set.
    since: Option<String>,
}

/// docs/protocol.md, "captured".
#[derive(Clone, Debug, Serialize)]
pub struct Tracked {
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(flatten)]
    counts: Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    keeper: Option<i32>,
}

impl Chain {
    /// Take what the tree's keeper has. From now on, and until `commit`, there is no epoch if this
    /// set makes one. With `live`, pages are protected for purposes of the dump's own: no keeper of
    /// theirs has an epoch any more.
    ///
    /// Errors: those of `tree::check_root`; `TooBusy` if somebody else has taken it; `Kernel`.
    pub fn begin(
        tree: i32,
        request: Option<&TrackingRequest>,
        live: bool,
    ) -> Result<(Self, Changes)> {
        tree::check_root(tree)?;
        let root = Key::of(tree)?;
        if live && request.is_some() {
            let what = "pages are copied in rounds, or tracked for the next set, but not both";
            return Err(Error::new(Code::Protocol, what));
        }
        let around = keep::overlapping(tree)?;
        let protect = request.is_some_and(|request| request.epoch.is_some());
        let mut changes = Changes::new(protect, keep::marked(&around)?);
        let mut chain = Chain {
            root,
            request: request.cloned(),
            keeper: None,
            keeper_pid: None,
            claimed: Vec::new(),
            since: None,
        };
        if live {
            around.iter().try_for_each(|keeper| keeper.take(false).map(drop))?;
            chain.claimed = around;
        } else if let Some(request) = request {
            drop(around);
            chain.take(request, &mut changes)?;
        }
        Ok((chain, changes))
    }

    fn take(&mut self, request: &TrackingRequest, changes: &mut Changes) -> Result<()> {
        let (keeper, kept) = if self.makes_epoch() {
            // From the beginning, so that it is never two who make a set at the same time.
            Session::start(self.root, false)?
        } else {
            let Some(keeper) = Session::open(self.root)? else { return Ok(()) };
            let kept = keeper.take(true)?;
            (keeper, kept)
        };
        let known = request.since.is_some() && kept.state.epoch == request.since;
        self.since = request.since.clone().filter(|_| known);
        for (key, uffd) in kept.spaces {
            if let Some(uffd) = uffd {
                changes.add_kept(key, uffd, known);
            }
        }
        self.keeper_pid = Some(kept.state.pid);
        self.keeper = Some(keeper);
        Ok(())
    }

    /// Whether this set is to be the one that the next is compared with.
    pub fn makes_epoch(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.epoch.is_some())
    }

    /// `follow_new`, if this set is compared with by the next.
    pub fn follow_new(
        &self,
        changes: &mut Changes,
        gadgets: &mut Gadgets,
        limit: &Limit,
    ) -> Result<Duration> {
        match self.makes_epoch() {
            true => follow_new(self.root.pid, changes, gadgets, limit),
            false => Ok(Duration::ZERO),
        }
    }

    pub fn told(&self, changes: &Changes) -> Option<Tracked> {
        self.request.as_ref()?;
        let (since, keeper) = (self.since.clone(), self.keeper_pid);
        Some(Tracked { since, counts: changes.counts(), keeper })
    }

    /// The set is good: have the keeper know it, and start one if there is none. A tree that has
    /// ended needs none.
    ///
    /// Errors: `Kernel`, `Permission`; the next set will be a whole one.
    pub fn commit(self, changes: &Changes) -> Result<()> {
        match (self.request.and_then(|request| request.epoch), self.keeper) {
            (Some(epoch), Some(keeper)) => hand_over(self.root, keeper, changes, Some(epoch)),
            _ => Ok(()),
        }
    }
}

/// Give what is tracked from now on to the keeper, or if that was killed to a new one. A tree that
/// has ended needs none. Errors: `Kernel`, `Permission`.
pub fn hand_over(
    root: Key,
    keeper: Session,
    changes: &Changes,
    epoch: Option<String>,
) -> Result<()> {
    let new = changes.tracked().map(|(key, fd, kept)| (key, (!kept).then_some(fd)));
    if keeper.commit(new, epoch.clone()).is_ok() {
        return Ok(());
    }
    drop(keeper);
    let all = changes.tracked().map(|(key, fd, _)| (key, Some(fd)));
    let started = Session::start(root, false).and_then(|(keeper, _)| keeper.commit(all, epoch));
    match tree::check_root(root.pid) {
        Err(_) => Ok(()),
        Ok(()) => started,
    }
}

/// Have the tree's address spaces that are new make a userfaultfd, for which it is stopped for a
/// moment; how long.
///
/// Errors: those of `follow`; `Kernel` where the kernel cannot track.
pub fn follow_new(
    root: i32,
    changes: &mut Changes,
    gadgets: &mut Gadgets,
    limit: &Limit,
) -> Result<Duration> {
    if owners(root)?.iter().all(|&key| changes.has(key)) {
        return Ok(Duration::ZERO);
    }
    let new = |pid| !Key::of(pid).is_ok_and(|key| changes.has(key));
    let followed = follow(root, &new, gadgets, limit)?;
    for (pid, uffd) in followed.made {
        if let Ok(key) = Key::of(pid) {
            changes.add_new(key, uffd)?;
        }
    }
    Ok(followed.stopped)
}

/// The first process of each address space in a tree that runs.
pub fn owners(root: i32) -> Result<Vec<Key>> {
    let mut sharing = Sharing::default();
    let alive = tree::walk(root)?.into_iter().filter(|task| !task.zombie);
    // Whoever ends meanwhile has none.
    let owners = alive.filter(|task| sharing.of(task.pid).is_ok_and(|[vm, ..]| vm == task.pid));
    Ok(owners.filter_map(|task| Key::of(task.pid).ok()).collect())
}
