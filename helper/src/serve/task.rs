//! One address space whose pages are missing: its userfaultfd, what is still missing, and the
//! threads in it that wait.
//!
//! Whatever changes the address space is read and applied, and pages are filled, under one lock:
//! else a page could be filled by its old content after the process has emptied it.

use super::remaining::{Chunk, Remaining};
use super::server::Server;
use super::session::Session;
use super::table::Table;
use super::touched::Touched;
use crate::memory::PAGE;
use crate::sys::{self, UffdEvent};
use nix::errno::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Messages read at a time.
const BATCH: usize = 16;

/// How long the background lets others go first.
const COURTESY: Duration = Duration::from_micros(30);

pub struct Task {
    /// Its pid in the images; of a child, its forefather's.
    pub pid: i32,
    pub session: Arc<Session>,
    pub table: Arc<Table>,
    uffd: OwnedFd,
    state: Mutex<State>,
    /// Its number among what is watched.
    pub token: u64,
    /// Threads that bring pages to it, and may have something to tell of that.
    busy: AtomicUsize,
    /// Who wait for the lock and are to have it first.
    first: AtomicUsize,
    /// The background brings what will be waited for next: by plan.
    hurry: AtomicBool,
    retired: AtomicBool,
}

pub struct State {
    pub remaining: Remaining,
    /// The process has ended.
    pub gone: bool,
    pub touched: Touched,
    /// Where the background goes on.
    pub cursor: u64,
    /// How far it is in the plan.
    pub planned: usize,
}

impl Task {
    pub fn new(
        (pid, session): (i32, &Arc<Session>),
        uffd: OwnedFd,
        table: &Arc<Table>,
        remaining: Remaining,
        token: u64,
    ) -> Arc<Self> {
        let touched = Touched::default();
        let state = State { remaining, gone: false, touched, cursor: 0, planned: 0 };
        Arc::new(Task {
            pid,
            session: session.clone(),
            table: table.clone(),
            uffd,
            state: Mutex::new(state),
            token,
            busy: AtomicUsize::new(0),
            first: AtomicUsize::new(0),
            hurry: AtomicBool::new(false),
            retired: AtomicBool::new(false),
        })
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a thread of the process that waits: before those that `lock_last`.
    pub fn lock_first(&self) -> MutexGuard<'_, State> {
        self.first.fetch_add(1, Ordering::AcqRel);
        let state = self.lock();
        self.first.fetch_sub(1, Ordering::AcqRel);
        state
    }

    /// Once nobody waits who is to be first; but not for ever, and not in a hurry. Such a lock is not
    /// fair by itself: who has just let it go has it again before another is awake.
    pub fn lock_last(&self) -> MutexGuard<'_, State> {
        let start = Instant::now();
        let others_wait = || self.first.load(Ordering::Acquire) > 0;
        while others_wait() && !self.hurry.load(Ordering::Relaxed) && start.elapsed() < COURTESY {
            thread::yield_now();
        }
        self.lock()
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.uffd.as_fd()
    }

    /// Do something of which all is to be told before the session's end is.
    pub fn busy<T>(&self, work: impl FnOnce() -> T) -> T {
        self.busy.fetch_add(1, Ordering::AcqRel);
        let result = work();
        self.busy.fetch_sub(1, Ordering::AcqRel);
        result
    }

    /// Nothing is missing, or nobody is left to miss it; and nobody is at it.
    pub fn is_done(&self) -> bool {
        if self.busy.load(Ordering::Acquire) > 0 {
            return false;
        }
        let state = self.lock();
        state.gone || (state.remaining.is_empty() && self.session.is_finished())
    }

    /// True for the first who asks.
    pub fn retire(&self) -> bool {
        !self.retired.swap(true, Ordering::AcqRel)
    }

    pub fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// Read what has happened and apply it; the pages that threads wait for.
    pub fn drain(&self, state: &mut State, server: &Arc<Server>) -> Vec<u64> {
        let mut faults = Vec::new();
        let events = match sys::uffd_read(self.fd(), BATCH) {
            Ok(events) => events,
            Err(Errno::EAGAIN | Errno::EINTR) => return faults,
            Err(_) => {
                state.gone = true; // no API handshake, or nothing that can be served
                return faults;
            }
        };
        for event in events {
            match event {
                UffdEvent::Fault(address) => faults.push(address / PAGE),
                UffdEvent::Fork(uffd) => server.add_child(self, state, uffd),
                UffdEvent::Remap { from, to, length } => {
                    let gone = state.remaining.remap(from / PAGE, to / PAGE, length / PAGE);
                    self.session.counts.add(|totals| totals.dropped += gone);
                }
                UffdEvent::Gone { start, end } => {
                    let gone = state.remaining.remove(start / PAGE, end / PAGE);
                    self.session.counts.add(|totals| totals.dropped += gone);
                }
            }
        }
        faults
    }

    /// The next pages for the background, if there are any that nobody brings already.
    pub fn take(&self, plan: &[(u64, u64)], most: u64) -> Option<Chunk> {
        let mut state = self.lock();
        while let Some(&(page, count)) = plan.get(state.planned) {
            let chunk = state.remaining.take(page, page.saturating_add(count), most);
            if chunk.is_some() {
                self.hurry.store(true, Ordering::Relaxed);
                return chunk;
            }
            state.planned += 1;
        }
        self.hurry.store(false, Ordering::Relaxed);
        let cursor = state.cursor;
        let chunk = state.remaining.take(cursor, u64::MAX, most);
        let chunk = chunk.or_else(|| state.remaining.take(0, u64::MAX, most))?;
        state.cursor = chunk.page + chunk.count;
        Some(chunk)
    }
}
