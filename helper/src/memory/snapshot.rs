//! The memory of a process as it was under the freeze, copied after the thaw: a child keeps it
//! (remote/child.rs). What a child does not get is put aside under the freeze, in a file.

use super::copy::{copy, Choice, Source};
use super::pages_file::{PagesFile, PagesFiles};
use super::runs::Run;
use super::slots::Slots;
use super::{Memory, Space, PAGE};
use crate::capture::vma::Vma;
use crate::error::{Code, Error, Result};
use crate::limit::Limit;
use crate::remote::Child;
use std::fs::File;
use std::os::unix::fs::FileExt;

pub struct Snapshot {
    /// The process.
    pid: i32,
    child: Child,
    memory: File,
    /// The pages that were put aside, and where they lie.
    aside: Slots,
    file: Option<PagesFile>,
}

impl Memory {
    /// Under the freeze, before there are children.
    ///
    /// Errors: `UnsupportedObject` for memory with a userfaultfd of the target's own: who handles
    /// it may have to agree to the fork (UFFD_FEATURE_EVENT_FORK), and is frozen too.
    pub fn check_snapshot(&self) -> Result<()> {
        let is_handled = |vma: &&Vma| ["um", "uw", "ui"].iter().any(|flag| vma.has(flag));
        for Space { mappings, .. } in &self.spaces {
            if let Some(vma) = mappings.vmas.iter().find(is_handled) {
                let (pid, start) = (mappings.pid, vma.start.0);
                let message = format!("pid {pid}: a userfaultfd handles its memory at {start:#x}");
                let error = Error::new(Code::UnsupportedObject, message).with_pid(pid);
                return Err(error.with_remedy("dump without --snapshot"));
            }
        }
        Ok(())
    }

    /// Under the freeze, after `scan`: leave the copying to be done later to these children, and put
    /// aside what they do not have. By the pids of their parents.
    ///
    /// Errors: those of `copy`.
    pub fn leave_to(&mut self, children: Vec<(i32, Child)>, limit: &Limit) -> Result<()> {
        let Some(files) = &mut self.files else { return Ok(()) };
        for (pid, child) in children {
            let mut spaces = self.spaces.iter_mut();
            if let Some(space) = spaces.find(|space| space.mappings.pid == pid) {
                let memory = child.memory()?;
                let (aside, file) = put_aside(space, files, (self.threads, limit))?;
                space.snapshot = Some(Snapshot { pid, child, memory, aside, file });
            }
        }
        Ok(())
    }

    /// After the thaw, after `confirm` and before `settle`: copy what children keep, who then end. How
    /// many pages are stored now. `progress` is told pages done and all there are to do.
    ///
    /// Errors: those of `copy`.
    pub fn copy_snapshots(
        &mut self,
        limit: &Limit,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<u64> {
        let Some(files) = &mut self.files else { return Ok(0) };
        let kept = self.spaces.iter().filter(|space| space.snapshot.is_some());
        let total = kept.map(|space| space.pages.runs.pages()).sum();
        let (mut done, mut stored) = (0, 0);
        for space in &mut self.spaces {
            let Some(snapshot) = space.snapshot.take() else { continue };
            let (child, vmas) = (snapshot.child.pid, &space.mappings.vmas);
            let found = self.scanner.scan(child, vmas, false, limit);
            let found = found.map_err(|error| snapshot.explain(error))?;
            snapshot.check(space.pages.runs.as_slice(), found.runs.as_slice())?;
            let file = files.take(snapshot.pid)?;
            let runs = (space.pages.runs.as_slice(), Choice { lazy_too: true, keep_zeros: false });
            let source = Source::Snapshot(&snapshot);
            let copied = copy(&source, runs, &file, (self.threads, limit), &mut |now| {
                progress(done + now, total)
            })?;
            done += space.pages.runs.pages();
            stored += copied.pages;
            space.copied = Some((copied, file));
            if let Some(aside) = snapshot.file {
                files.discard(&aside);
            }
        }
        self.totals.copied += stored;
        Ok(stored)
    }
}

/// Copy what no child gets into a file of its own, if there is anything.
fn put_aside(
    space: &Space,
    files: &mut PagesFiles,
    (threads, limit): (u64, &Limit),
) -> Result<(Slots, Option<PagesFile>)> {
    let Space { mappings, pages, .. } = space;
    let runs = not_inherited(pages.runs.as_slice(), &mappings.vmas);
    let mut slots = Slots::default();
    if runs.is_empty() {
        return Ok((slots, None));
    }
    let file = files.create()?;
    let source = Source::process(mappings.pid)?;
    let all = Choice { lazy_too: true, keep_zeros: true };
    copy(&source, (&runs, all), &file, (threads, limit), &mut |_| ())?;
    slots.place(&runs);
    Ok((slots, Some(file)))
}

impl Snapshot {
    /// Has it all pages that were there? One that the child does not have would read as zeros.
    ///
    /// Errors: `Kernel`.
    fn check(&self, wanted: &[Run], found: &[Run]) -> Result<()> {
        let mut kept = Vec::with_capacity(wanted.len());
        self.aside.split(wanted, &mut |page, pages, slot| {
            if slot.is_none() {
                kept.push(Run { page, pages: pages as u32, lazy: false, clean: false });
            }
        });
        let mut has = Slots::default();
        has.place(found);
        let mut lost = None;
        has.split(&kept, &mut |page, pages, slot| {
            if slot.is_none() {
                lost = lost.or(Some((page * PAGE, (page + pages) * PAGE)));
            }
        });
        match lost {
            Some(range) => Err(self.failed(&reading(range), "it is not there")),
            None => Ok(()),
        }
    }

    /// Fill `bytes` with the pages from there on. Errors: `Kernel` for what the child does not have.
    pub fn read(&self, mut bytes: &mut [u8], start: u64) -> Result<()> {
        let pages = bytes.len() as u64 / PAGE;
        let run = Run { page: start / PAGE, pages: pages as u32, lazy: false, clean: false };
        let mut result = Ok(());
        self.aside.split(&[run], &mut |page, pages, slot| {
            let length = (pages * PAGE) as usize;
            let part;
            (part, bytes) = std::mem::take(&mut bytes).split_at_mut(length);
            if result.is_ok() {
                result = match (slot, &self.file) {
                    (Some(slot), Some(file)) => file.read(part, slot * PAGE),
                    _ => self.read_child(part, page * PAGE),
                };
            }
        });
        result
    }

    fn read_child(&self, bytes: &mut [u8], start: u64) -> Result<()> {
        self.memory.read_exact_at(bytes, start).map_err(|e| {
            let what = reading((start, start + bytes.len() as u64));
            let mut error = match e.raw_os_error() {
                Some(_) => self.failed(&what, &e.to_string()),
                None => self.failed(&what, KILLED),
            };
            error.errno = e.raw_os_error();
            error
        })
    }

    /// An error of the child's is one of the process.
    fn explain(&self, error: Error) -> Error {
        match error.code {
            Code::TargetGone => self.failed("looking for its pages", KILLED),
            Code::Kernel => self.failed("looking for its pages", &error.message),
            _ => error,
        }
    }

    fn failed(&self, what: &str, why: &str) -> Error {
        let (pid, child) = (self.pid, self.child.pid);
        Error::new(Code::Kernel, format!("pid {pid}: {what} in its snapshot child {child}: {why}"))
            .with_pid(pid)
            .with_remedy("dump without --snapshot, or with --max-pause instead")
    }
}

const KILLED: &str = "it was killed, as when memory is short";

fn reading((start, end): (u64, u64)) -> String {
    format!("reading {start:#x}-{end:#x}")
}

/// Does a child get this mapping as it is? Not what is shared: that goes on being written to. And
/// not what madvise(2) has it not inherit (MADV_DONTFORK, MADV_WIPEONFORK), nor huge pages of a
/// pool (hugetlb), which may have none left when its parent writes.
fn is_inherited(vma: &Vma) -> bool {
    !vma.is_shared() && !["dc", "wf", "ht"].iter().any(|flag| vma.has(flag))
}

/// Pages of the runs that a child does not get, in mappings that ascend as the runs do.
fn not_inherited(runs: &[Run], vmas: &[Vma]) -> Vec<Run> {
    let mut found = Vec::new();
    let mut runs = runs.iter().peekable();
    for vma in vmas.iter().filter(|vma| !is_inherited(vma)) {
        let (start, end) = (vma.start.0 / PAGE, vma.end.0 / PAGE);
        while let Some(run) = runs.peek().filter(|run| run.page < end) {
            let (from, to) = (run.page.max(start), run.end().min(end));
            if from < to {
                found.push(Run { page: from, pages: (to - from) as u32, ..**run });
            }
            if run.end() > end {
                break;
            }
            runs.next();
        }
    }
    found
}
