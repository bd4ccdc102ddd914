//! One epoll that several threads wait on: whichever is free takes the next that is ready, so that
//! no thread that waits for page data holds up another's.

use super::server::Server;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What tells the end: to every thread, and for good.
const END: u64 = u64::MAX;

/// What can be waited for.
pub trait Watched: Send + Sync {
    fn fd(&self) -> BorrowedFd<'_>;

    /// It is ready, and nobody else is told so until `again` is called. False: it is watched no more.
    fn ready(self: Arc<Self>, server: &Arc<Server>, again: &dyn Fn()) -> bool;
}

pub struct Poll {
    epoll: Epoll,
    end: EventFd,
    next: AtomicU64,
    watched: Mutex<Items>,
}

type Items = HashMap<u64, Arc<dyn Watched>>;

const FLAGS: EpollFlags = EpollFlags::EPOLLIN.union(EpollFlags::EPOLLONESHOT);

impl Poll {
    pub fn new() -> nix::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let end = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        epoll.add(&end, EpollEvent::new(EpollFlags::EPOLLIN, END))?;
        Ok(Poll { epoll, end, next: AtomicU64::new(0), watched: Mutex::default() })
    }

    /// Have every thread look whether the server is over.
    pub fn end(&self) {
        let _ = self.end.write(1);
    }

    /// A number by which something can be watched and forgotten.
    pub fn reserve(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Errors: EPERM for what cannot be watched.
    pub fn add(&self, token: u64, item: Arc<dyn Watched>) -> nix::Result<()> {
        self.lock().insert(token, item.clone());
        let added = self.epoll.add(item.fd(), EpollEvent::new(FLAGS, token));
        if added.is_err() {
            self.lock().remove(&token);
        }
        added
    }

    /// Its descriptor may stay open elsewhere, which would keep it watched.
    pub fn remove(&self, token: u64) {
        let item = self.lock().remove(&token);
        if let Some(item) = item {
            let _ = self.epoll.delete(item.fd());
        }
    }

    /// What a thread does until the server is over.
    pub fn work(&self, server: &Arc<Server>) {
        while !server.is_over() {
            let mut events = [EpollEvent::empty()];
            match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(0) | Err(Errno::EINTR) => continue,
                Ok(_) => self.serve(events[0].data(), server),
                Err(_) => return,
            }
        }
    }

    fn serve(&self, token: u64, server: &Arc<Server>) {
        let Some(item) = self.lock().get(&token).cloned() else { return };
        let again = || {
            let _ = self.epoll.modify(item.fd(), &mut EpollEvent::new(FLAGS, token));
        };
        if !item.clone().ready(server, &again) {
            self.remove(token);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Items> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
