//! One restore: the tasks that it handed over and the children of those, until nothing is missing
//! in any of them.

use super::counts::Counts;
use super::tell::{Begun, Ended};
use crate::wire::Sender;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub struct Session {
    pub id: u64,
    pub counts: Counts,
    start: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    begun: bool,
    /// The last word has come (true), or the connection ended without it.
    finished: Option<bool>,
    ended: bool,
    /// In which pages may still be missing.
    tasks: usize,
    /// Of tasks that are not served, and must not find zeros.
    held: Vec<OwnedFd>,
}

impl Session {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn hold(&self, uffd: OwnedFd) {
        self.lock().held.push(uffd);
    }

    /// The restore will hand over no more: what it brought up runs.
    pub fn is_finished(&self) -> bool {
        self.lock().finished.is_some()
    }

    pub fn add_task(&self) {
        self.lock().tasks += 1;
    }
}

/// All restores so far.
pub struct Sessions {
    next: AtomicU64,
    tally: Mutex<Tally>,
    ended: Condvar,
    tell: Sender,
}

#[derive(Clone, Copy, Default)]
pub struct Tally {
    /// Begun, and not ended.
    pub active: usize,
    pub ended: usize,
}

impl Sessions {
    pub fn new(tell: Sender) -> Self {
        Sessions { next: AtomicU64::new(1), tally: Mutex::default(), ended: Condvar::new(), tell }
    }

    pub fn new_session(&self) -> Arc<Session> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (counts, state) = (Counts::default(), Mutex::default());
        Arc::new(Session { id, counts, start: Instant::now(), state })
    }

    /// How many there are, once more have ended than `seen`, or `most` has passed.
    pub fn wait(&self, seen: &Tally, most: Duration) -> Tally {
        let same = |now: &mut Tally| now.ended == seen.ended;
        let waited = self.ended.wait_timeout_while(self.lock(), most, same);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first task has come, from process `pid`.
    pub fn begin(&self, session: &Session, pid: i32) {
        if !std::mem::replace(&mut session.lock().begun, true) {
            self.lock().active += 1;
            let _ = self.tell.send(&Begun { session: session.id, pid });
        }
    }

    pub fn finish(&self, session: &Session, finished: bool) {
        session.lock().finished.get_or_insert(finished);
        self.end_if_over(session);
    }

    pub fn remove_task(&self, session: &Session) {
        session.lock().tasks -= 1;
        self.end_if_over(session);
    }

    fn end_if_over(&self, session: &Session) {
        let mut state = session.lock();
        let Some(finished) = state.finished else { return };
        if !state.begun || state.tasks > 0 || std::mem::replace(&mut state.ended, true) {
            return;
        }
        drop(state);
        let (counts, latency_us) = (session.counts.totals(), session.counts.latency());
        let us = session.start.elapsed().as_micros() as u64;
        let _ = self.tell.send(&Ended { session: session.id, finished, counts, latency_us, us });
        let mut tally = self.lock();
        tally.active -= 1;
        tally.ended += 1;
        self.ended.notify_all();
    }
}
