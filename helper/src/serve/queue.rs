//! Faults that whoever read them cannot serve himself, for the next thread that is free.

use super::fault::Fault;
use super::poll::Watched;
use super::server::Server;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub struct Queue {
    /// How many there are.
    count: EventFd,
    faults: Mutex<VecDeque<Fault>>,
}

impl Queue {
    pub fn new() -> nix::Result<Self> {
        let flags = EfdFlags::EFD_SEMAPHORE | EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let count = EventFd::from_value_and_flags(0, flags)?;
        Ok(Queue { count, faults: Mutex::default() })
    }

    pub fn push(&self, fault: Fault) {
        self.lock().push_back(fault);
        let _ = self.count.write(1);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Fault>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched for Queue {
    fn fd(&self) -> BorrowedFd<'_> {
        self.count.as_fd()
    }

    fn ready(self: Arc<Self>, server: &Arc<Server>, again: &dyn Fn()) -> bool {
        let fault = self.count.read().ok().and_then(|_| self.lock().pop_front());
        again();
        if let Some(fault) = fault {
            fault.task.busy(|| fault.serve(server));
            server.settle(&fault.task);
        }
        true
    }
}
