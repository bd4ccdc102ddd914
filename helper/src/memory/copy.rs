//! Copies page data into a file, run after run without gaps.
//!
//! Measured for 1 GiB into tmpfs, 2 cores: process_vm_readv into a buffer and pwrite, 410 ms, or
//! 200 by two threads into space that fallocate made before; straight into a mapping of the file,
//! 500, or 110 if the mapping was filled before, for which the target waits 375 ms less but all
//! else longer, and which fails in stranger ways on a full disk; /proc/PID/mem, 450. On a disk the
//! first is no slower than any. So: a buffer that stays in the cache, two threads or more.

use super::pages_file::PagesFile;
use super::runs::Run;
use super::PAGE;
use crate::error::{Code, Error, Result};
use crate::limit::Limit;
use crate::proc;
use nix::errno::Errno;
use nix::sys::uio::{process_vm_readv, RemoteIoVec};
use nix::unistd::Pid;
use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Pages that are read, then written, at a time.
pub const CHUNK: u64 = 64;

/// Pages for each further thread to be worth its start.
pub const SHARE: u64 = 1024;

/// Copying is bound by memory, not by processors.
const MOST_THREADS: u64 = 4;

/// Pages between two reports of progress.
pub const REPORT: u64 = 16 << 10;

/// Where pages are read from.
pub enum Source<'a> {
    /// A stopped process; a run's page number is an address.
    Process { pid: i32, mem: File },
    /// Shared memory; a run's page number is an offset.
    Segment(&'a File),
}

impl Source<'_> {
    pub fn process(pid: i32) -> Result<Self> {
        let mem = File::open(format!("/proc/{pid}/mem"))
            .map_err(|e| Error::of_task(pid, "opening its memory", proc::errno(&e)))?;
        Ok(Source::Process { pid, mem })
    }

    /// Fill `buffer` with these runs, which are exactly as long.
    pub fn read(&self, runs: &[Run], buffer: &mut [u8]) -> Result<()> {
        let done = match self {
            Source::Process { pid, .. } => read_process(*pid, runs, buffer),
            Source::Segment(_) => 0,
        };
        let mut at = 0;
        for run in runs {
            let (start, length) = (run.page * PAGE, (u64::from(run.pages) * PAGE) as usize);
            let skipped = done.saturating_sub(at).min(length);
            let rest = &mut buffer[at + skipped..at + length];
            self.read_rest(rest, start + skipped as u64)?;
            at += length;
        }
        Ok(())
    }

    /// The same of a process that runs; the pages that are not there any more, or cannot be read,
    /// are told.
    pub fn read_what_is_there(&self, runs: &[Run], buffer: &mut [u8]) -> Vec<u64> {
        if self.read(runs, buffer).is_ok() {
            return Vec::new();
        }
        let pages = runs.iter().flat_map(|run| run.page..run.page + u64::from(run.pages));
        let mut gone = Vec::new();
        for (page, bytes) in pages.zip(buffer.chunks_exact_mut(PAGE as usize)) {
            if self.read_rest(bytes, page * PAGE).is_err() {
                gone.push(page);
            }
        }
        gone
    }

    /// Through a file: also what PROT_NONE hides from process_vm_readv, ptrace's right opens.
    fn read_rest(&self, bytes: &mut [u8], start: u64) -> Result<()> {
        match self {
            Source::Process { pid, mem } => mem.read_exact_at(bytes, start).map_err(|e| {
                let errno = e.raw_os_error().map_or(Errno::ESRCH, Errno::from_raw);
                Error::of_task(*pid, &format!("reading its memory at {start:#x}"), errno)
            }),
            Source::Segment(file) => read_padded(file, bytes, start),
        }
    }
}

/// Bytes that could be read, from the start of the runs on.
fn read_process(pid: i32, runs: &[Run], buffer: &mut [u8]) -> usize {
    let remote = |run: &Run| RemoteIoVec {
        base: (run.page * PAGE) as usize,
        len: (u64::from(run.pages) * PAGE) as usize,
    };
    let remote: Vec<RemoteIoVec> = runs.iter().map(remote).collect();
    process_vm_readv(Pid::from_raw(pid), &mut [IoSliceMut::new(buffer)], &remote).unwrap_or(0)
}

/// A memfd's last page may reach past its end: zeros, as whoever maps it sees.
fn read_padded(file: &File, bytes: &mut [u8], start: u64) -> Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match file.read_at(&mut bytes[done..], start + done as u64) {
            Ok(0) => break,
            Ok(more) => done += more,
            Err(e) => return Err(super::shmem::failed(proc::errno(&e))),
        }
    }
    bytes[done..].fill(0);
    Ok(())
}

/// What is still to be copied; each thread takes the next chunk from here.
struct Work<'a> {
    runs: std::slice::Iter<'a, Run>,
    /// What is left of the run that was begun.
    rest: Option<Run>,
    /// Pages given out.
    given: u64,
    lazy_too: bool,
}

impl Work<'_> {
    /// Put the next chunk's runs into `chunk`; where they go in the file, in bytes.
    fn take(&mut self, chunk: &mut Vec<Run>) -> u64 {
        chunk.clear();
        let offset = self.given * PAGE;
        let mut room = CHUNK as u32;
        while room > 0 {
            let lazy_too = self.lazy_too;
            let next = || self.runs.find(|run| lazy_too || !run.lazy).copied();
            let Some(run) = self.rest.take().or_else(next) else { break };
            let pages = run.pages.min(room);
            chunk.push(Run { pages, ..run });
            if run.pages > pages {
                let page = run.page + u64::from(pages);
                self.rest = Some(Run { page, pages: run.pages - pages, ..run });
            }
            room -= pages;
            self.given += u64::from(pages);
        }
        offset
    }
}

/// Threads that copying is worth on this machine. Reads files: to be asked before the freeze.
pub fn threads() -> u64 {
    thread::available_parallelism().map_or(1, |n| (n.get() as u64).min(MOST_THREADS))
}

/// Copy the runs, or those of them that are not lazy, into a file of their own. `progress` is told
/// every now and then how many pages are. Returns how many were copied.
///
/// Errors: `TargetGone`, `Kernel`, `NoSpace`, `Write`, those of `limit`.
pub fn copy(
    source: &Source,
    (runs, lazy_too): (&[Run], bool),
    file: &PagesFile,
    (threads, limit): (u64, &Limit),
    progress: &mut dyn FnMut(u64),
) -> Result<u64> {
    let wanted = runs.iter().filter(|run| lazy_too || !run.lazy);
    let total: u64 = wanted.map(|run| u64::from(run.pages)).sum();
    let helpers = (total / SHARE).min(threads - 1);
    let work = Mutex::new(Work { runs: runs.iter(), rest: None, given: 0, lazy_too });
    let failed = AtomicBool::new(false);
    let run = |progress: &mut dyn FnMut(u64)| {
        let result = copy_chunks(source, &work, file, limit, &failed, progress);
        failed.fetch_or(result.is_err(), Ordering::Relaxed);
        result
    };
    thread::scope(|scope| {
        let helpers: Vec<_> = (0..helpers).map(|_| scope.spawn(|| run(&mut |_| ()))).collect();
        let mut result = run(progress);
        for helper in helpers {
            let panicked = || Error::new(Code::Internal, "a copying thread panicked");
            result = result.and(helper.join().unwrap_or_else(|_| Err(panicked())));
        }
        result
    })?;
    file.truncate(total * PAGE)?;
    Ok(total)
}

/// What one thread does, until nothing is left or another failed.
fn copy_chunks(
    source: &Source,
    work: &Mutex<Work>,
    file: &PagesFile,
    limit: &Limit,
    failed: &AtomicBool,
    progress: &mut dyn FnMut(u64),
) -> Result<()> {
    let mut buffer = vec![0; (CHUNK * PAGE) as usize];
    let mut chunk = Vec::new();
    let mut reported = 0;
    while !failed.load(Ordering::Relaxed) {
        limit.check()?;
        let mut shared = work.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = shared.take(&mut chunk);
        let given = shared.given;
        drop(shared);
        if given - reported >= REPORT {
            progress(given);
            reported = given;
        }
        if chunk.is_empty() {
            break;
        }
        let pages: u64 = chunk.iter().map(|run| u64::from(run.pages)).sum();
        let bytes = &mut buffer[..(pages * PAGE) as usize];
        source.read(&chunk, bytes)?;
        file.write(bytes, offset)?;
    }
    Ok(())
}
