//! Puts pages into an address space that lives on meanwhile: it moves them, drops them, forks, ends.

use super::remaining::Chunk;
use super::server::Server;
use super::task::{State, Task};
use crate::memory::PAGE;
use crate::sys::{self, Fill};
use nix::errno::Errno;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Pages filled under the lock at a time: a thread that waits for another page waits for that too.
const SLICE: u64 = 32;

/// Respites while the kernel has to be waited for: the first, and where they stop to grow.
const RESPITE: (Duration, Duration) = (Duration::from_micros(20), Duration::from_millis(2));

/// How often memory that the machine does not have is asked for again.
const TRIES: u32 = 1000;

/// What became of pages that were to be filled.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filled {
    pub pages: u64,
    /// The page that was wanted is: who waited for it goes on.
    pub wanted: bool,
    /// The kernel did not take them, for this reason.
    pub refused: Option<Errno>,
}

/// How a step went.
enum Step {
    /// Nothing of the chunk is missing any more.
    Done,
    More,
    /// It has to be told later: the address space is changing, or there is no memory.
    Wait(Errno),
    Refused(Errno),
}

/// Respites, each longer than the one before.
#[derive(Default)]
pub struct Patience {
    waits: u32,
}

impl Patience {
    pub fn wait(&mut self) {
        let (first, longest) = RESPITE;
        thread::sleep((first * 2u32.pow(self.waits.min(10))).min(longest));
        self.waits += 1;
    }
}

impl Task {
    /// Fill what is still missing of a chunk, where its pages are still due, with `data`, the
    /// chunk's pages; without it they are poisoned. Where nobody waits for one of them, `wanted`, it
    /// gives way to those who do.
    pub fn fill(
        self: &Arc<Self>,
        server: &Arc<Server>,
        chunk: &Chunk,
        data: Option<&[u8]>,
        wanted: Option<u64>,
    ) -> Filled {
        let mut filled = Filled::default();
        let (mut width, mut patience) = (SLICE, Patience::default());
        loop {
            let mut state = match wanted {
                Some(_) => self.lock_first(),
                None => self.lock_last(),
            };
            let faults = match self.step(&mut state, (chunk, data, wanted), &mut width, &mut filled)
            {
                Step::Done => return filled,
                Step::More => continue,
                Step::Wait(Errno::EAGAIN) => self.drain(&mut state, server),
                Step::Wait(_) if patience.waits < TRIES => Vec::new(),
                Step::Wait(errno) | Step::Refused(errno) => {
                    filled.refused = Some(errno);
                    return filled;
                }
            };
            drop(state);
            server.hand_on(self, faults);
            patience.wait();
        }
    }

    /// Fill the first part of the chunk that is missing, `width` pages at most: as many as lie in
    /// one mapping, which nobody else tells.
    fn step(
        &self,
        state: &mut State,
        (chunk, data, wanted): (&Chunk, Option<&[u8]>, Option<u64>),
        width: &mut u64,
        filled: &mut Filled,
    ) -> Step {
        if state.gone {
            return Step::Done;
        }
        let Some(part) = state.remaining.due(chunk) else { return Step::Done };
        let (page, count) = (part.page, part.count.min(*width));
        let at = ((page - chunk.page) * PAGE) as usize;
        let with = match data {
            Some(data) => Fill::Copy(&data[at..at + (count * PAGE) as usize]),
            None => Fill::Poison,
        };
        let (bytes, errno) = sys::uffd_fill(self.fd(), page * PAGE, count * PAGE, with);
        let done = bytes / PAGE;
        state.remaining.remove(page, page + done);
        filled.pages += done;
        self.session.counts.add(|totals| match data {
            Some(_) if wanted.is_none() => totals.prefetched += done,
            Some(_) => totals.demanded += done,
            None => totals.poisoned += done,
        });
        filled.wanted |= wanted.is_some_and(|wanted| (page..page + done).contains(&wanted));
        let next = page + done;
        match errno {
            None => *width = (*width * 2).min(SLICE),
            Some(Errno::EEXIST) => {
                let there = state.remaining.remove(next, next + 1);
                self.session.counts.add(|totals| totals.present += there);
            }
            Some(Errno::ENOENT) if count - done > 1 => *width = (count - done) / 2,
            Some(Errno::ENOENT) => {
                let gone = state.remaining.remove(next, next + 1);
                self.session.counts.add(|totals| totals.dropped += gone);
            }
            Some(Errno::ESRCH | Errno::ENOSPC) => {
                state.gone = true;
                return Step::Done;
            }
            Some(errno @ (Errno::EAGAIN | Errno::ENOMEM)) => return Step::Wait(errno),
            Some(errno) => return Step::Refused(errno),
        }
        Step::More
    }
}
