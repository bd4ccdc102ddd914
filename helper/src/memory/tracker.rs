//! Which pages of an address space are written from some moment on, told without soft-dirty.
//!
//! A userfaultfd with WP_ASYNC: the first write to a page that is protected lifts the protection,
//! and the writer goes on; nobody waits for anyone. PAGEMAP_SCAN tells from outside which pages are
//! no longer protected. Documentation/admin-guide/mm/userfaultfd.rst, pagemap.rst.
//!
//! The process itself has to make the userfaultfd (a remote call), but it holds none: the one
//! descriptor is ours, and when we are gone so is everything. A page counts as clean only if it is
//! in a mapping that is registered now and protected now. What is mapped, moved, forked or executed
//! anew is neither, so it is written anew: without UFFD_FEATURE_EVENT_*, mremap(2) and fork(2)
//! leave the userfaultfd behind (fs/userfaultfd.c).
//!
//! Memory that the kernel or a device has pinned is written without a trace: see Rounds::protect.
//! That of asynchronous transfers may be at any time, so a process with an aio context is not
//! tracked (of io_uring no dump is made at all).
//!
//! What it costs the target: 3 us for the first write to each page, a huge page is split by it, and
//! userfaultfds of its own cannot be registered where ours is.

use super::spans::{self, Look};
use super::PAGE;
use crate::capture::vma::Vma;
use crate::error::{Code, Error, Result};
use crate::sys;
use nix::errno::Errno;
use std::os::fd::{AsFd, OwnedFd};

const PAGEFAULT_FLAG_WP: u64 = 1 << 0;
const WP_UNPOPULATED: u64 = 1 << 13; // PAGEMAP_SCAN protects no anonymous memory without it
const WP_ASYNC: u64 = 1 << 15; // Linux 6.7

/// What a userfaultfd has to be capable of.
pub const FEATURES: u64 = PAGEFAULT_FLAG_WP | WP_UNPOPULATED | WP_ASYNC;

pub struct Tracker {
    uffd: OwnedFd,
}

impl Tracker {
    /// With a new userfaultfd of the address space of `pid`. Errors: `Kernel` before Linux 6.7.
    pub fn new(pid: i32, uffd: OwnedFd) -> Result<Self> {
        sys::uffd_api(uffd.as_fd(), FEATURES).map_err(|errno| {
            Error::of_task(pid, "tracking its writes (userfaultfd with WP_ASYNC)", errno)
                .with_remedy("this takes Linux 6.7 or later; ckpt check tells what there is")
        })?;
        Ok(Tracker { uffd })
    }

    /// Register the mappings of `pid` that can be. What can not is never clean.
    ///
    /// Errors: `TargetGone` if the process has ended, or executes another program;
    /// `UnsupportedObject` if it has an aio context.
    pub fn register(&self, pid: i32, vmas: &[Vma]) -> Result<()> {
        if vmas.iter().any(Vma::is_aio_ring) {
            let what =
                format!("pid {pid}: what is read by its aio context (io_setup) is not tracked");
            let error = Error::new(Code::UnsupportedObject, what).with_pid(pid);
            return Err(error.with_object("[aio]").with_remedy("dump it without --max-pause"));
        }
        let joined = vmas.chunk_by(|a, b| is_trackable(a) && is_trackable(b));
        let mut results =
            joined.filter(|vmas| is_trackable(&vmas[0])).map(|vmas| self.register_all(vmas));
        match results.find(|result| *result == Err(Errno::ESRCH)) {
            Some(_) => Err(Error::of_task(pid, "tracking its writes", Errno::ESRCH)),
            None => Ok(()),
        }
    }

    /// At once, or where that is refused one by one.
    fn register_all(&self, vmas: &[Vma]) -> nix::Result<()> {
        let register = |vmas: &[Vma]| {
            let range = (vmas[0].start.0, vmas[vmas.len() - 1].end.0);
            sys::uffd_register_wp(self.uffd.as_fd(), range.0, range.1)
        };
        match register(vmas) {
            Err(errno) if errno != Errno::ESRCH && vmas.len() > 1 => {
                let results = vmas.chunks(1).map(register);
                results.filter(|result| *result == Err(Errno::ESRCH)).collect()
            }
            result => result,
        }
    }

    /// Let go of memory in pieces: all at once, the kernel keeps the target from mapping anything
    /// for milliseconds a GiB. What is not let go here is when the tracker is dropped.
    pub fn release(self, vmas: &[Vma]) {
        const PIECE: u64 = 16384 * PAGE;
        for vma in vmas.iter().filter(|vma| is_trackable(vma)) {
            let mut start = vma.start.0;
            while start < vma.end.0 {
                let end = vma.end.0.min(start + PIECE);
                let _ = sys::uffd_unregister(self.uffd.as_fd(), start, end);
                start = end;
            }
        }
    }
}

/// Private memory that is written to. Registered files' mappings lose fault-around, so those that
/// are only read, a program's code, stay as they are.
fn is_trackable(vma: &Vma) -> bool {
    match spans::look(vma) {
        Look::Anonymous => true,
        Look::File => vma.perms.contains('w'),
        _ => false,
    }
}
