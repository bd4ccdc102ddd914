//! What a `Memory` does before the freeze, while its tree runs: docs/options.md, "--max-pause".

use super::rounds::Written;
use super::shmem::Segments;
use super::Memory;
use crate::capture::vma::{self, Before};
use crate::error::Result;
use crate::limit::Limit;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// What is left to do under the freeze.
pub struct Left {
    pub pages: u64,
    /// How long it takes to find them, and to copy them.
    pub scan: Duration,
    pub copy: Duration,
}

impl Memory {
    /// Copy an address space in rounds from now on, with a userfaultfd that it made.
    ///
    /// Errors: `ImagesDir`, `NoSpace`; `Kernel` where the kernel cannot track.
    pub fn follow(&mut self, pid: i32, uffd: OwnedFd) -> Result<()> {
        let Some(files) = &mut self.files else { return Ok(()) };
        let file = files.take(pid)?;
        self.rounds.follow(pid, uffd, file)
    }

    pub fn follows(&self, pid: i32) -> bool {
        self.rounds.follows(pid)
    }

    /// While the target runs: find what was written since the last round, and protect it. Its system
    /// calls that were under way have to end before it is copied.
    ///
    /// Errors: `Kernel`, those of `limit`.
    pub fn protect(&mut self, limit: &Limit) -> Result<Written> {
        let written = self.rounds.protect(&mut self.scanner, limit)?;
        if let Some(files) = &mut self.files {
            self.rounds.discard_lost(files);
        }
        Ok(written)
    }

    /// Copy it; how many pages that were. `progress` is told pages done and all there are to do.
    ///
    /// Errors: `NoSpace`, `Write`, `Kernel`, those of `limit`.
    pub fn copy_written(
        &mut self,
        written: Written,
        limit: &Limit,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<u64> {
        self.rounds.copy(written, (self.threads, limit), progress)
    }

    /// What would be left to do under the freeze, of these processes, if it began now.
    pub fn left(&mut self, pids: &[i32], limit: &Limit) -> Result<Left> {
        let start = Instant::now();
        let mut segments = Segments::default();
        let mut pages = 0;
        for &pid in pids {
            let Ok(mut vmas) = vma::glance(pid) else { continue }; // it has ended
            vmas.iter_mut().for_each(|vma| vma.find_shmem(&self.mounts));
            let tracked = self.rounds.follows(pid);
            let Ok(found) = self.scanner.scan(pid, &vmas, tracked, limit) else { continue };
            pages += found.runs.pages() - found.runs.clean_pages();
            self.scanner.reuse(pid, found.runs);
            // A mapping that went away meanwhile is no more to be copied.
            vmas.iter().for_each(|vma| drop(segments.add_mapping(pid, vma)));
        }
        segments.scan(limit)?;
        pages += segments.iter().map(|segment| segment.runs.pages()).sum::<u64>();
        Ok(Left { pages, scan: start.elapsed(), copy: self.rounds.time_for(pages) })
    }

    /// Pages that were copied in rounds, and bytes a second.
    pub fn rounds(&self) -> (u64, f64) {
        (self.rounds.copied(), self.rounds.rate())
    }

    /// Right before the freeze: see again what shall be assumed to be so under it.
    pub fn look_again(&mut self, pids: &[i32]) {
        if self.assume {
            self.before = Before::prepare(pids);
        }
    }
}
