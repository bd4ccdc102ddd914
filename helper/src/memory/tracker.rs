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
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const PAGEFAULT_FLAG_WP: u64 = 1 << 0;
const WP_UNPOPULATED: u64 = 1 << 13; // PAGEMAP_SCAN protects no anonymous memory without it
const WP_ASYNC: u64 = 1 << 15; // Linux 6.7

/// What the kernel says of an address space that is no more: fs/userfaultfd.c, userfaultfd_register.
const GONE: Errno = Errno::ENOMEM;

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

    /// With one that has been through that.
    pub fn again(uffd: OwnedFd) -> Self {
        Tracker { uffd }
    }

    /// Its address space is still there: it is not once the process has ended, or executes another
    /// program. Asked by what the kernel refuses otherwise: memory at the very top, where none is.
    pub fn is_of_living(&self) -> bool {
        const TOP: u64 = (1 << 47) - PAGE;
        sys::uffd_register_wp(self.uffd.as_fd(), TOP - PAGE, TOP) != Err(GONE)
    }

    /// Register the mappings of `pid` that can be; what can not is never clean. False: some of them
    /// are registered with another userfaultfd.
    ///
    /// Errors: `TargetGone` if the process has ended, or executes another program;
    /// `UnsupportedObject` if it has an aio context.
    pub fn register(&self, pid: i32, vmas: &[Vma]) -> Result<bool> {
        if vmas.iter().any(Vma::is_aio_ring) {
            let what =
                format!("pid {pid}: what is read by its aio context (io_setup) is not tracked");
            let error = Error::new(Code::UnsupportedObject, what).with_pid(pid);
            return Err(error.with_object("[aio]").with_remedy("dump it without --max-pause"));
        }
        let mut alone = true;
        for vmas in vmas.chunk_by(|a, b| is_trackable(a) && is_trackable(b)) {
            if is_trackable(&vmas[0]) {
                alone &= self
                    .register_all(vmas)
                    .map_err(|errno| Error::of_task(pid, "tracking its writes", errno))?;
            }
        }
        Ok(alone)
    }

    /// At once, or where that is refused one by one. Errors: ESRCH.
    fn register_all(&self, vmas: &[Vma]) -> nix::Result<bool> {
        let range = (vmas[0].start.0, vmas[vmas.len() - 1].end.0);
        match sys::uffd_register_wp(self.uffd.as_fd(), range.0, range.1) {
            Err(GONE) => Err(Errno::ESRCH),
            Err(_) if vmas.len() > 1 => {
                vmas.chunks(1).try_fold(true, |alone, vma| Ok(self.register_all(vma)? && alone))
            }
            result => Ok(result != Err(Errno::EBUSY)),
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

impl AsFd for Tracker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.uffd.as_fd()
    }
}

/// Private memory of no file. Where a file's page was dropped (madvise), a mark stays behind, and the
/// next write makes a page that is protected at first: stopped just then, a thread shows a page of
/// the file as one that was not written. mm/memory.c, set_pte_range.
fn is_trackable(vma: &Vma) -> bool {
    spans::look(vma) == Look::Anonymous
}
