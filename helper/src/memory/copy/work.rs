//! What is still to be copied, and where it goes. Threads take chunks in order, read them at their
//! own pace, and are given places in the file in order again: how many pages go before is known
//! only when all chunks before are read, since zeros are left out.

use super::Copied;
use crate::memory::runs::Run;
use crate::memory::PAGE;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Pages that are read, then written, at a time.
pub const CHUNK: u64 = 64;

/// Pages to be read at a time.
#[derive(Default)]
pub struct Chunk {
    nth: u64,
    pub runs: Vec<Run>,
}

impl Chunk {
    pub fn pages(&self) -> u64 {
        self.runs.iter().map(|run| u64::from(run.pages)).sum()
    }
}

pub struct Work<'a> {
    state: Mutex<State<'a>>,
    /// Another chunk has its place, or a thread failed.
    turn: Condvar,
}

struct State<'a> {
    runs: std::slice::Iter<'a, Run>,
    /// What is left of the run that was begun.
    rest: Option<Run>,
    lazy_too: bool,
    /// Chunks, and pages, given out.
    taken: u64,
    given: u64,
    /// Chunks, and pages, that have their place.
    placed: u64,
    copied: Copied,
    failed: bool,
}

impl<'a> Work<'a> {
    /// These runs, or those of them that are not lazy.
    pub fn new((runs, lazy_too): (&'a [Run], bool)) -> Self {
        let state = State {
            runs: runs.iter(),
            rest: None,
            lazy_too,
            taken: 0,
            given: 0,
            placed: 0,
            copied: Copied::default(),
            failed: false,
        };
        Work { state: Mutex::new(state), turn: Condvar::new() }
    }

    /// Put the next runs into `chunk`, none if none are left or a thread failed. Returns how many
    /// pages were given out, these too.
    pub fn take(&self, chunk: &mut Chunk) -> u64 {
        let mut state = self.lock();
        chunk.runs.clear();
        chunk.nth = state.taken;
        if !state.failed {
            state.fill(&mut chunk.runs);
            state.taken += 1;
            state.given += chunk.pages();
        }
        state.given
    }

    /// Wait until all chunks before this one have a place, and give it the next, in bytes; the
    /// pages of `zeros`, by their numbers, need none. None: a thread failed.
    pub fn place(&self, chunk: &Chunk, zeros: &[u64]) -> Option<u64> {
        let mut state = self.lock();
        while state.placed != chunk.nth && !state.failed {
            state = self.turn.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.failed {
            return None;
        }
        let offset = state.copied.pages * PAGE;
        state.copied.pages += chunk.pages() - zeros.len() as u64;
        state.placed += 1;
        for page in zeros {
            // Grows by doubling: 3 ns a page beside the 300 that reading it took.
            state.copied.zeros.push(page * PAGE, (page + 1) * PAGE, (true, false));
        }
        drop(state);
        self.turn.notify_all();
        Some(offset)
    }

    /// Have all threads end.
    pub fn fail(&self) {
        self.lock().failed = true;
        self.turn.notify_all();
    }

    /// What came of it, when no thread is at it any more.
    pub fn done(self) -> Copied {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).copied
    }

    fn lock(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State<'_> {
    /// Add runs, up to a chunk's pages.
    fn fill(&mut self, chunk: &mut Vec<Run>) {
        let mut room = CHUNK as u32;
        while room > 0 {
            let lazy_too = self.lazy_too;
            let next = || self.runs.find(|run| lazy_too || !run.lazy).copied();
            let Some(run) = self.rest.take().or_else(next) else { break };
            let pages = run.pages.min(room);
            chunk.push(Run { pages, ..run });
            if run.pages > pages {
                let page = run.page + u64::from(pages);
                self.rest = Some(Run { page, pages: run.pages - pages, ..run });
            }
            room -= pages;
        }
    }
}
