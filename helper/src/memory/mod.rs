//! Page data: which pages hold data, and their bytes. `Memory` is all of it for one dump.
//!
//! live: before the freeze · told: frames and counts ·
//! tracker, rounds, slots, gather: copied while it still runs · snapshot: after the thaw, from a
//! child · changes, running: what was written since an earlier set · spans: what to look for where ·
//! scan, finders, entries: which pages · shmem: of which segments ·
//! copy, pages_file: their bytes · runs, facts: how it is told

mod changes;
mod copy;
mod entries;
mod facts;
mod finders;
#[cfg(test)]
pub mod fixture;
mod gather;
mod live;
mod pages_file;
mod rounds;
mod running;
mod runs;
mod scan;
mod shmem;
mod slots;
mod snapshot;
mod spans;
#[cfg(test)]
mod tests;
mod told;
pub mod tracker;

use crate::capture::files::FileId;
use crate::capture::vma::{self, Before, KernelMounts, Mappings, Vma};
use crate::error::Result;
use crate::limit::Limit;
use crate::wire::{Action, DumpRequest, PageCopy};
pub use changes::{Changes, Counts};
use copy::{copy, Choice, Copied, Source};
pub use live::Left;
use pages_file::{PagesFile, PagesFiles};
use rounds::{Finished, Rounds};
pub use running::{each_running, Running};
use scan::Pages;
pub use scan::Scanner;
use shmem::Segments;
use snapshot::Snapshot;
pub use told::Totals;

/// Bytes of a page; the unit of all page data, of huge pages too.
pub const PAGE: u64 = 4096;

/// An address space.
struct Space {
    mappings: Mappings,
    pages: Pages,
    /// What was copied, and into which file; or, in rounds, into which slots: until `settle`.
    copied: Option<(Copied, PagesFile)>,
    finished: Option<Finished>,
    /// Name of the file with its pages.
    file: Option<String>,
    /// What keeps its pages, until they are copied.
    snapshot: Option<Snapshot>,
}

/// The memory of a tree, from before the freeze until it is told.
pub struct Memory {
    copy: PageCopy,
    mounts: KernelMounts,
    /// What was seen before the freeze may be taken for what is.
    assume: bool,
    before: Before,
    scanner: Scanner,
    files: Option<PagesFiles>,
    rounds: Rounds,
    pub changes: Changes,
    spaces: Vec<Space>,
    segments: Segments,
    /// Names of the files with the segments' pages, in their order.
    segment_files: Vec<String>,
    totals: Totals,
    /// At most so many may copy at a time.
    threads: u64,
    /// A parent may have the page that a page of zeros takes the place of.
    keep_zeros: bool,
}

impl Memory {
    /// Before the freeze: get ready for processes that still run. With `exact`, nothing is assumed
    /// that `confirm` could find wrong.
    ///
    /// Errors: `ImagesDir`, `NoSpace`, `Kernel`, those of `limit`.
    pub fn prepare(
        request: &DumpRequest,
        changes: Changes,
        pids: &[i32],
        exact: bool,
        limit: &Limit,
    ) -> Result<Self> {
        // Where the pause is long anyway or does not matter, there is nothing to win.
        let elsewhere = request.live.is_some() || request.snapshot || changes.know_some();
        let brief = request.copy != PageCopy::All || elsewhere;
        let assume = request.after == Action::Run && brief && !exact;
        let files = match request.copy {
            PageCopy::None => None,
            _ => Some(PagesFiles::open(&request.images_dir, &request.pages_name)?),
        };
        let mut memory = Memory {
            copy: request.copy,
            mounts: KernelMounts::find()?,
            assume,
            before: if assume { Before::prepare(pids) } else { Before::default() },
            scanner: Scanner::new()?,
            files,
            rounds: Rounds::default(),
            changes,
            spaces: Vec::new(),
            segments: Segments::default(),
            segment_files: Vec::new(),
            totals: Totals::default(),
            threads: copy::threads(),
            keep_zeros: request.track.is_some(),
        };
        for &pid in pids {
            memory.rehearse(pid, limit)?;
        }
        Ok(memory)
    }

    /// Whoever cannot be looked at now will have to be, or is gone, under the freeze.
    fn rehearse(&mut self, pid: i32, limit: &Limit) -> Result<()> {
        limit.check()?;
        let Ok(vmas) = vma::glance(pid) else { return Ok(()) };
        let known = self.changes.knows(pid);
        let Ok(found) = self.scanner.rehearse(pid, &vmas, known, limit) else { return Ok(()) };
        match (&mut self.files, self.copy) {
            (Some(files), PageCopy::All) => files.prepare(pid, found.all),
            (Some(files), _) => files.prepare(pid, found.unlazy),
            (None, _) => Ok(()),
        }
    }

    /// Under the freeze: the mappings of an address space, by the pid of the first task that uses
    /// it. `file_of` names the file behind a mapping.
    pub fn capture(
        &mut self,
        pid: i32,
        file_of: &mut dyn FnMut(i32, &Vma) -> Result<FileId>,
    ) -> Result<()> {
        let followed = (pid, self.rounds.follows(pid) || self.changes.marks(pid));
        let mappings = Mappings::capture(followed, &mut self.before, &self.mounts, file_of)?;
        for vma in &mappings.vmas {
            self.segments.add_mapping(pid, vma)?;
        }
        self.spaces.push(Space {
            mappings,
            pages: Pages::default(),
            copied: None,
            finished: None,
            file: None,
            snapshot: None,
        });
        Ok(())
    }

    /// Under the freeze: a memfd that is open as `fd`, be it mapped or not; its device and inode.
    pub fn add_memfd(&mut self, pid: i32, fd: i32, inode: (u64, u64)) -> Result<()> {
        self.segments.add_memfd(pid, fd, inode)
    }

    /// Under the freeze, after all captures: find the pages that hold data.
    pub fn scan(&mut self, limit: &Limit) -> Result<()> {
        for space in &mut self.spaces {
            let Mappings { pid, vmas, .. } = &space.mappings;
            space.pages = match self.rounds.follows(*pid) {
                true => self.scanner.scan(*pid, vmas, true, limit)?,
                false => self.changes.scan(*pid, vmas, &mut self.scanner, limit)?,
            };
        }
        self.segments.scan(limit)
    }

    /// Under the freeze, after `scan`: copy what is to be copied. `progress` is told pages done
    /// and all there are to do.
    pub fn copy(&mut self, limit: &Limit, progress: &mut dyn FnMut(u64, u64)) -> Result<()> {
        let Some(files) = &mut self.files else { return Ok(()) };
        let lazy_too = self.copy == PageCopy::All;
        let choice = Choice { lazy_too, keep_zeros: self.keep_zeros };
        let wanted = |space: &Space| match self.rounds.follows(space.mappings.pid) {
            true => space.pages.runs.pages(),
            false => space.pages.runs.wanted(lazy_too),
        };
        let now = self.spaces.iter().filter(|space| space.snapshot.is_none());
        let of_spaces: u64 = now.map(wanted).sum();
        let of_segments: u64 = self.segments.iter().map(|segment| segment.runs.pages()).sum();
        let (mut done, total) = (0, of_spaces + of_segments);
        let threads = self.threads;
        for space in self.spaces.iter_mut().filter(|space| space.snapshot.is_none()) {
            let pid = space.mappings.pid;
            if self.rounds.follows(pid) {
                space.finished = self.rounds.finish(pid, &mut space.pages, (threads, limit))?;
                done += space.pages.runs.pages();
                self.totals.copied += space.pages.runs.pages();
                continue;
            }
            let file = files.take(pid)?;
            let dirty = space.pages.runs.dirty();
            let source = Source::process(pid)?;
            let copied = copy(&source, (&dirty, choice), &file, (threads, limit), &mut |now| {
                progress(done + now, total)
            })?;
            done += space.pages.runs.wanted(lazy_too);
            self.totals.copied += copied.pages;
            space.copied = Some((copied, file));
        }
        for segment in self.segments.iter() {
            let file = files.create()?;
            let runs = (segment.runs.as_slice(), Choice { lazy_too: true, ..choice });
            let source = Source::Segment(&segment.file);
            let copied = copy(&source, runs, &file, (threads, limit), &mut |now| {
                progress(done + now, total)
            })?;
            done += copied.pages;
            self.totals.shmem_copied += copied.pages;
            self.segment_files.push(file.name);
        }
        Ok(())
    }

    /// After `copy` and `confirm`, and after the thaw unless the tree is held: what need not be done
    /// under the freeze. Pages that were left out are no more among those that are told, the files
    /// end where their pages do, and hold them in order.
    ///
    /// Errors: `NoSpace`, `Write`, those of `limit`.
    pub fn settle(&mut self, limit: &Limit) -> Result<()> {
        let Some(files) = &mut self.files else { return Ok(()) };
        for space in &mut self.spaces {
            if let Some((copied, file)) = space.copied.take() {
                file.truncate(copied.pages * PAGE)?;
                if !copied.zeros.as_slice().is_empty() {
                    self.totals.zero += copied.zeros.pages();
                    space.pages.runs = space.pages.runs.without(&copied.zeros);
                }
                space.file = Some(file.name);
            }
            if let Some(finished) = space.finished.take() {
                space.file = Some(finished.settle(&space.mappings.vmas, files, limit)?);
            }
        }
        Ok(())
    }

    /// After the thaw. Errors: `TargetChanged`; a dump with `exact` would not have it.
    pub fn confirm(&self) -> Result<()> {
        self.spaces.iter().try_for_each(|space| space.mappings.confirm())
    }

    /// What is known of changes, for a pass that has to be made again.
    pub fn take_changes(&mut self) -> Changes {
        let found = self.spaces.drain(..).map(|space| (space.mappings.pid, space.pages.runs));
        std::mem::take(&mut self.changes).again(found)
    }

    /// The dump is good: its files of page data stay.
    pub fn keep(&mut self) {
        if let Some(files) = self.files.take() {
            files.keep();
        }
    }
}
