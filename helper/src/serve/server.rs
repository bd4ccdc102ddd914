//! What all threads of a server share, and how a task comes and goes.

use super::background::Background;
use super::fault::Fault;
use super::guard::Guard;
use super::poll::Poll;
use super::queue::Queue;
use super::remaining::Remaining;
use super::session::{Session, Sessions};
use super::source::Sources;
use super::table::Table;
use super::task::{State, Task};
use super::tell::Refused;
use crate::sys;
use crate::wire::{Prefetch, Sender};
use serde::Serialize;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Instant;

/// Pages that are brought with one that is waited for.
const AROUND: u64 = 16;

pub struct Server {
    pub tables: HashMap<i32, Arc<Table>>,
    /// What to bring first: pages in the order in which they will be touched.
    pub plans: HashMap<i32, Vec<(u64, u64)>>,
    pub sources: Sources,
    pub sessions: Sessions,
    pub poll: Poll,
    pub guard: Guard,
    pub background: Background,
    /// Pages that were missing in all tasks so far when they came.
    pub missed: AtomicU64,
    pub record: bool,
    pub queue: Arc<Queue>,
    pub prefetch: Prefetch,
    pub tell: Sender,
    /// No restore may begin any more.
    pub stopping: AtomicBool,
    pub over: AtomicBool,
}

impl Server {
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// A server that has to stop brings what is missing, whatever it was told.
    pub fn may_prefetch(&self) -> bool {
        self.prefetch != Prefetch::None || self.stopping.load(Ordering::Relaxed)
    }

    /// Pages that are brought at a time to whoever waits; a record is to name each.
    pub fn around(&self) -> u64 {
        if self.record {
            1
        } else {
            AROUND
        }
    }

    /// Who listens no more is not told.
    pub fn tell(&self, frame: &impl Serialize) {
        let _ = self.tell.send(frame);
    }

    /// The restore says that it is finished, or nothing more.
    pub fn finish(self: &Arc<Self>, session: &Arc<Session>, finished: bool) {
        self.sessions.finish(session, finished);
        for task in self.background.tasks() {
            if Arc::ptr_eq(&task.session, session) {
                self.settle(&task);
            }
        }
        self.background.wake();
    }

    /// A task that a restore hands over.
    pub fn add_task(
        self: &Arc<Self>,
        session: &Arc<Session>,
        pid: i32,
        uffd: OwnedFd,
        table: &Arc<Table>,
    ) -> nix::Result<()> {
        session.counts.add(|totals| totals.tasks += 1);
        let remaining = Remaining::new(&table.ranges());
        self.watch(Task::new((pid, session), uffd, table, remaining, self.poll.reserve()))
    }

    /// A child of `parent`, by fork; what its parent misses, it misses too.
    pub fn add_child(self: &Arc<Self>, parent: &Task, state: &State, uffd: OwnedFd) {
        let session = &parent.session;
        if state.remaining.is_empty() && session.is_finished() {
            return;
        }
        session.counts.add(|totals| totals.children += 1);
        let remaining = state.remaining.inherited();
        let token = self.poll.reserve();
        let child = Task::new((parent.pid, session), uffd, &parent.table, remaining, token);
        if let Err(errno) = self.watch(child) {
            let reason = format!("a child of pid {}: {}", parent.pid, errno.desc());
            self.tell(&Refused { reason: &reason });
        }
    }

    fn watch(self: &Arc<Self>, task: Arc<Task>) -> nix::Result<()> {
        task.session.add_task();
        self.missed.fetch_add(task.lock().remaining.pages(), Ordering::Relaxed);
        self.guard.hold(task.token, task.fd());
        if let Err(errno) = self.poll.add(task.token, task.clone()) {
            self.guard.let_go(task.token);
            self.sessions.remove_task(&task.session);
            return Err(errno);
        }
        self.background.add(task.clone());
        if task.is_retired() {
            self.background.remove(&task); // it was, before it could be found there
        }
        Ok(())
    }

    /// Let go of a task in which nothing is missing any more.
    pub fn settle(self: &Arc<Self>, task: &Arc<Task>) {
        if task.is_done() && task.retire() {
            self.poll.remove(task.token);
            self.guard.let_go(task.token);
            self.background.remove(task);
            task.tell_touched(self);
            self.sessions.remove_task(&task.session);
        }
    }

    /// Have faults served by whoever is free.
    pub fn hand_on(&self, task: &Arc<Task>, pages: Vec<u64>) {
        let since = Instant::now();
        for page in pages {
            self.queue.push(Fault { task: task.clone(), page, since });
        }
    }

    /// Look whether a task has ended.
    pub fn probe(self: &Arc<Self>, task: &Arc<Task>) {
        let is_dead = sys::uffd_is_dead(task.fd());
        task.lock().gone |= is_dead;
        self.settle(task);
    }

    /// Pages that are missing no more, and all that were.
    pub fn progress(&self, tasks: &[Arc<Task>]) -> (u64, u64) {
        let missing: u64 = tasks.iter().map(|task| task.lock().remaining.pages()).sum();
        let missed = self.missed.load(Ordering::Relaxed);
        (missed.saturating_sub(missing), missed)
    }

    /// Stop at once: nobody is to find zeros where pages were.
    pub fn give_up_all(self: &Arc<Self>) {
        for task in self.background.tasks() {
            task.give_up_rest(self);
            self.finish(&task.session, false);
        }
        self.sources.end();
    }
}
