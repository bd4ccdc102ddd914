//! The pages of processes that run, copied once: those that were written since the set before.

use super::changes::Changes;
use super::copy::{self, Source};
use super::facts::{self, Owner};
use super::gather::gather;
use super::pages_file::{PagesFile, PagesFiles};
use super::scan::{Pages, Scanner};
use super::slots::Slots;
use super::Totals;
use crate::capture::vma::{self, Vma};
use crate::error::{Code, Result};
use crate::limit::Limit;
use crate::wire::PredumpRequest;

struct Space {
    pid: i32,
    pages: Pages,
    file: Option<PagesFile>,
}

pub struct Running {
    scanner: Scanner,
    files: PagesFiles,
    spaces: Vec<Space>,
    copied: u64,
}

impl Running {
    /// Errors: `ImagesDir`, `Kernel`.
    pub fn prepare(request: &PredumpRequest) -> Result<Self> {
        let files = PagesFiles::open(&request.images_dir, &request.pages_name)?;
        Ok(Running { scanner: Scanner::new()?, files, spaces: Vec::new(), copied: 0 })
    }

    /// Find the pages of these processes, and protect them. Their system calls that are under way
    /// have to end before `copy`: see Rounds::protect. Whoever ends has no pages.
    ///
    /// Errors: `Kernel`, `Permission`, those of `limit`.
    pub fn scan(&mut self, pids: &[i32], changes: &mut Changes, limit: &Limit) -> Result<()> {
        let scan = |pid, vmas: &[_]| changes.scan(pid, vmas, &mut self.scanner, limit);
        let found = each_running(pids, scan)?.into_iter();
        self.spaces = found.map(|(pid, pages)| Space { pid, pages, file: None }).collect();
        Ok(())
    }

    /// Copy what is not clean, in order; what goes away meanwhile is zeros, or whole processes
    /// nothing. `progress` is told pages done and all there are to do.
    ///
    /// Errors: `ImagesDir`, `NoSpace`, `Write`, those of `limit`.
    pub fn copy(&mut self, limit: &Limit, progress: &mut dyn FnMut(u64, u64)) -> Result<()> {
        let total = self.spaces.iter().map(|space| space.pages.runs.wanted(true)).sum();
        for mut space in std::mem::take(&mut self.spaces) {
            let Ok(source) = Source::process(space.pid) else { continue };
            let wanted = space.pages.runs.wanted(true);
            self.files.prepare(space.pid, wanted)?;
            let file = self.files.take(space.pid)?;
            let pieces = Slots::default().place(&space.pages.runs.dirty());
            let done = self.copied;
            let mut tell = |now| progress(done + now, total);
            gather((&source, true), &pieces, &file, (copy::threads(), limit), &mut tell)?;
            self.copied += wanted;
            space.file = Some(file);
            self.spaces.push(space);
        }
        Ok(())
    }

    /// The frames of kind pagemap.
    pub fn pagemap_frames(&self) -> impl Iterator<Item = facts::Pagemap<'_>> {
        self.spaces.iter().flat_map(|Space { pid, pages, file }| {
            let file = file.as_ref().map(|file| &*file.name);
            facts::pagemap(Owner::Pid(*pid), file, pages.runs.as_slice(), (true, true))
        })
    }

    pub fn totals(&self) -> Totals {
        let all = self.spaces.iter().map(|space| &space.pages);
        Totals { copied: self.copied, ..Totals::of(all) }
    }

    /// The set is good: its files stay.
    pub fn keep(self) {
        self.files.keep();
    }
}

/// Do this with the mappings of processes that run. Whoever ends is left out.
pub fn each_running<T>(
    pids: &[i32],
    mut work: impl FnMut(i32, &[Vma]) -> Result<T>,
) -> Result<Vec<(i32, T)>> {
    let mut done = Vec::new();
    for &pid in pids {
        match vma::glance(pid).and_then(|vmas| work(pid, &vmas)) {
            Ok(result) => done.push((pid, result)),
            Err(error) if error.code == Code::TargetGone => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
