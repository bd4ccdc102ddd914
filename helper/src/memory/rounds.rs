//! Copying the pages of processes that run: in rounds, each of which copies what was written since
//! the one before, so that little is left to be copied under the freeze.

use super::copy::Source;
use super::gather::gather;
use super::pages_file::{PagesFile, PagesFiles};
use super::scan::{Pages, Scanner};
use super::slots::{Piece, Slots};
use super::tracker::Tracker;
use super::PAGE;
use crate::capture::vma::{self, Vma};
use crate::error::{Code, Result};
use crate::limit::Limit;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// An address space that is copied in rounds.
struct Space {
    tracker: Tracker,
    slots: Slots,
    file: PagesFile,
}

/// What is to be copied in a round, by process.
pub struct Written(Vec<(i32, Vec<Piece>)>);

#[derive(Default)]
pub struct Rounds {
    spaces: BTreeMap<i32, Space>,
    /// Pages that were copied, some more than once, and how long that took.
    copied: u64,
    taken: Duration,
    /// Files of spaces that are no more.
    lost: Vec<PagesFile>,
}

impl Rounds {
    /// Follow an address space, with a new userfaultfd of it and a file for its pages.
    ///
    /// Errors: those of `Tracker::new`.
    pub fn follow(&mut self, pid: i32, uffd: OwnedFd, file: PagesFile) -> Result<()> {
        let tracker = Tracker::new(pid, uffd)?;
        self.spaces.insert(pid, Space { tracker, slots: Slots::default(), file });
        Ok(())
    }

    pub fn follows(&self, pid: i32) -> bool {
        self.spaces.contains_key(&pid)
    }

    /// Protect what was written since the last round, which is to be copied. Whoever ends meanwhile,
    /// or executes another program, is followed no more.
    ///
    /// A page that the kernel had pinned before, to read into from a disk for instance, is written
    /// without a trace: it may be copied when the system calls that were under way have ended.
    ///
    /// Errors: `Kernel`, those of `limit`.
    pub fn protect(&mut self, scanner: &mut Scanner, limit: &Limit) -> Result<Written> {
        let start = Instant::now();
        let mut written = Vec::new();
        for (pid, mut space) in std::mem::take(&mut self.spaces) {
            match space.protect(pid, scanner, limit) {
                Err(error) if error.code == Code::TargetGone => self.lost.push(space.file),
                pieces => {
                    written.push((pid, pieces?));
                    self.spaces.insert(pid, space);
                }
            }
        }
        self.taken += start.elapsed();
        Ok(Written(written))
    }

    /// Copy it, and how many pages that were. `progress` is told pages done and all there are to do.
    ///
    /// Errors: `NoSpace`, `Write`, `Kernel`, those of `limit`.
    pub fn copy(
        &mut self,
        written: Written,
        (threads, limit): (u64, &Limit),
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<u64> {
        let start = Instant::now();
        let total = written.0.iter().map(|(_, pieces)| pages(pieces)).sum();
        let mut done = 0;
        for (pid, pieces) in written.0 {
            // Whoever ends now has nothing to be copied any more.
            let Ok(source) = Source::process(pid) else { continue };
            let Some(space) = self.spaces.get_mut(&pid) else { continue };
            let mut tell = |now| progress(done + now, total);
            let with = (threads, limit);
            let gone = gather((&source, true), &pieces, &space.file, with, &mut tell)?;
            gone.into_iter().for_each(|page| space.slots.forget(page));
            done += pages(&pieces);
        }
        self.copied += total;
        self.taken += start.elapsed();
        Ok(total)
    }

    /// Remove the files of those who are followed no more.
    pub fn discard_lost(&mut self, files: &mut PagesFiles) {
        self.lost.drain(..).for_each(|file| files.discard(&file));
    }

    /// Pages that were copied, some more than once.
    pub fn copied(&self) -> u64 {
        self.copied
    }

    /// How long it takes to copy so many pages, as it went so far.
    pub fn time_for(&self, pages: u64) -> Duration {
        let rate = self.taken.as_secs_f64() / self.copied.max(1) as f64;
        Duration::from_secs_f64(rate * pages as f64)
    }

    /// Bytes a second that were copied so far.
    pub fn rate(&self) -> f64 {
        (self.copied * PAGE) as f64 / self.taken.as_secs_f64().max(1e-9)
    }

    /// Under the freeze: copy what is not clean, of an address space that is followed, and where
    /// its pages are. `pages` was scanned as tracked.
    ///
    /// Errors: those of `gather`.
    pub fn finish(
        &mut self,
        pid: i32,
        pages: &mut Pages,
        (threads, limit): (u64, &Limit),
    ) -> Result<Option<Finished>> {
        let Some(Space { tracker, mut slots, file }) = self.spaces.remove(&pid) else {
            return Ok(None);
        };
        let mut wanted = pages.runs.dirty().into_owned();
        wanted.extend(slots.missing(&pages.runs.clean()));
        wanted.sort_unstable_by_key(|run| run.page);
        let source = Source::process(pid)?;
        let placed = slots.place(&wanted);
        gather((&source, false), &placed, &file, (threads, limit), &mut |_| {})?;
        pages.runs.settle();
        let pieces = slots.find(pages.runs.as_slice());
        Ok(Some(Finished { tracker, pieces, file }))
    }
}

impl Space {
    /// Protect what was written since the last time, and where that is to be copied to. The first
    /// time it is all that there is, what cannot be tracked too: so each page has its place in the
    /// file, and if none comes or goes that is the order in which they are wanted.
    fn protect(&mut self, pid: i32, scanner: &mut Scanner, limit: &Limit) -> Result<Vec<Piece>> {
        let vmas = vma::glance(pid)?;
        self.tracker.register(pid, &vmas)?;
        let mut runs = scanner.protect(pid, &vmas, limit)?;
        if self.slots.is_empty() {
            runs = scanner.scan(pid, &vmas, false, limit)?.runs;
        }
        Ok(self.slots.place(runs.as_slice()))
    }
}

fn pages(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|piece| piece.pages).sum()
}

/// An address space whose pages are all copied: in order, or not.
pub struct Finished {
    tracker: Tracker,
    pieces: Vec<Piece>,
    file: PagesFile,
}

impl Finished {
    /// After the thaw: let go of the process, and bring the pages in order. The file's name.
    ///
    /// Errors: `NoSpace`, `Write`, those of `limit`.
    pub fn settle(self, vmas: &[Vma], files: &mut PagesFiles, limit: &Limit) -> Result<String> {
        let Finished { tracker, pieces, file } = self;
        tracker.release(vmas);
        let ends = pieces.iter().scan(0, |end, piece| {
            *end += piece.pages;
            Some(*end)
        });
        let pages = ends.clone().last().unwrap_or(0);
        if pieces.iter().zip(ends).all(|(piece, end)| piece.slot + piece.pages == end) {
            file.truncate(pages * PAGE)?;
            return Ok(file.name);
        }
        let ordered = files.create()?;
        let mut end = 0;
        for piece in &pieces {
            limit.check()?;
            file.copy_to(&ordered, (piece.slot * PAGE, end), piece.pages * PAGE)?;
            end += piece.pages * PAGE;
        }
        files.discard(&file);
        Ok(ordered.name)
    }
}
