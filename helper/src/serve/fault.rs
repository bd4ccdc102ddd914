//! A thread waits for a page: it gets it, or zeros where there is nothing to be had, at once.

use super::fill::Patience;
use super::poll::Watched;
use super::remaining::Chunk;
use super::server::Server;
use super::source::Failure;
use super::task::Task;
use super::tell::{Failed, Touched};
use crate::memory::PAGE;
use crate::sys::{self, Fill};
use nix::errno::Errno;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Instant;

/// A page that a thread waits for, since when.
pub struct Fault {
    pub task: Arc<Task>,
    pub page: u64,
    pub since: Instant,
}

/// How far an empty page has got.
enum Emptied {
    Done,
    /// There is data for it after all.
    Filled,
    Wait(Vec<u64>),
}

impl Watched for Task {
    fn fd(&self) -> BorrowedFd<'_> {
        Task::fd(self)
    }

    fn ready(self: Arc<Self>, server: &Arc<Server>, again: &dyn Fn()) -> bool {
        if server.sources.has_remote() {
            // An answer is far away: all are asked for at once, by as many threads.
            let pages = self.waited_for(server);
            again();
            server.hand_on(&self, pages);
        } else {
            // Who touches one page often touches the next: the same thread stays for it, rather
            // than have another one woken on another processor.
            loop {
                let pages = self.waited_for(server);
                if pages.is_empty() {
                    break;
                }
                let since = Instant::now();
                for page in pages {
                    self.busy(|| Fault { task: self.clone(), page, since }.serve(server));
                }
            }
            again();
        }
        server.settle(&self);
        true
    }
}

impl Task {
    /// The pages that threads wait for now.
    fn waited_for(&self, server: &Arc<Server>) -> Vec<u64> {
        let mut pages = self.drain(&mut self.lock_first(), server);
        pages.sort_unstable();
        pages.dedup();
        pages
    }
}

impl Fault {
    pub fn serve(&self, server: &Arc<Server>) {
        let Fault { task, page, since } = self;
        task.session.counts.add(|totals| totals.faults += 1);
        task.record(*page, server);
        let mut patience = Patience::default();
        loop {
            let chunk = task.lock_first().remaining.around(*page, server.around());
            if let Some(chunk) = chunk {
                if task.bring(server, &chunk, Some(*page)) {
                    break;
                }
            }
            match task.empty(*page, server) {
                Emptied::Done => break,
                Emptied::Filled => patience.wait(),
                Emptied::Wait(faults) => {
                    server.hand_on(task, faults);
                    patience.wait();
                }
            }
        }
        task.session.counts.waited(since.elapsed());
    }
}

impl Task {
    /// Read a chunk and fill it in; what cannot be read is poisoned. True if the page of it that is
    /// `wanted` is where it was to go.
    pub fn bring(
        self: &Arc<Self>,
        server: &Arc<Server>,
        chunk: &Chunk,
        wanted: Option<u64>,
    ) -> bool {
        let mut data = vec![0; (chunk.count * PAGE) as usize];
        let source = (&*self.table, self.pid);
        let read = server.sources.read(source, chunk.origin, &mut data);
        let good = read.as_ref().map_or_else(|(good, _)| *good, |()| chunk.count);
        let ready = Chunk { count: good, ..*chunk };
        let filled = self.fill(server, &ready, Some(&data[..(good * PAGE) as usize]), wanted);
        let lost = Chunk {
            page: chunk.page + good,
            count: chunk.count - good,
            origin: chunk.origin + good,
        };
        match (read, filled.refused) {
            (Ok(()), None) => {}
            (Ok(()), Some(errno)) => {
                let reason = format!("the kernel does not take them: {}", errno.desc());
                self.give_up(server, chunk, &reason);
            }
            // The page that is waited for may be there, though its neighbours are not.
            (Err(_), _) if chunk.count > 1 && wanted.is_some_and(|page| page >= lost.page) => {
                let page = wanted.unwrap_or(chunk.page);
                let origin = chunk.origin + page - chunk.page;
                return self.bring(server, &Chunk { page, count: 1, origin }, wanted);
            }
            (Err((_, Failure { reason, .. })), _) => self.give_up(server, &lost, &reason),
        }
        filled.wanted
    }

    /// Whoever touches these gets a SIGBUS, rather than zeros or an endless wait.
    pub fn give_up(self: &Arc<Self>, server: &Arc<Server>, chunk: &Chunk, reason: &str) {
        let filled = self.fill(server, chunk, None, Some(chunk.page));
        if filled.pages > 0 {
            let (session, pid) = (self.session.id, self.pid);
            let (page, count) = (chunk.origin, filled.pages);
            server.tell(&Failed { session, pid, page, count, reason });
        }
    }

    /// All that is missing.
    pub fn give_up_rest(self: &Arc<Self>, server: &Arc<Server>) {
        loop {
            let Some(chunk) = self.lock().remaining.first() else { return };
            self.give_up(server, &chunk, "the server was told to stop");
            self.lock().remaining.remove(chunk.page, chunk.page + chunk.count);
        }
    }

    /// A page that is nowhere to be had was empty; or it is there, or is mapped no more, and
    /// whoever waits has to look again.
    fn empty(self: &Arc<Self>, page: u64, server: &Arc<Server>) -> Emptied {
        let mut state = self.lock();
        if state.gone {
            return Emptied::Done;
        }
        if state.remaining.at(page, 1).is_some() {
            return Emptied::Filled;
        }
        match sys::uffd_fill(Task::fd(self), page * PAGE, PAGE, Fill::Zero).1 {
            None => self.session.counts.add(|totals| totals.zero += 1),
            Some(Errno::EAGAIN | Errno::ENOMEM) => {
                return Emptied::Wait(self.drain(&mut state, server));
            }
            Some(Errno::ESRCH | Errno::ENOSPC) => state.gone = true,
            Some(_) => {
                let _ = sys::uffd_wake(Task::fd(self), page * PAGE, PAGE);
            }
        }
        Emptied::Done
    }

    /// Note that a page was touched.
    fn record(self: &Arc<Self>, page: u64, server: &Arc<Server>) {
        if !server.record {
            return;
        }
        let mut state = self.lock();
        let Some(chunk) = state.remaining.at(page, 1) else { return };
        let full = state.touched.add(chunk.origin);
        drop(state);
        if let Some(runs) = full {
            server.tell(&Touched { session: self.session.id, pid: self.pid, runs });
        }
    }

    /// Tell what is left of what was noted.
    pub fn tell_touched(&self, server: &Arc<Server>) {
        let runs = self.lock().touched.flush();
        if !runs.is_empty() {
            server.tell(&Touched { session: self.session.id, pid: self.pid, runs });
        }
    }
}
