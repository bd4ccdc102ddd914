//! Where pages are read from: another process's memory, or the file behind shared memory.

use crate::error::{Error, Result};
use crate::memory::runs::Run;
use crate::memory::snapshot::Snapshot;
use crate::memory::{shmem, PAGE};
use crate::proc;
use nix::errno::Errno;
use nix::sys::uio::{process_vm_readv, RemoteIoVec};
use nix::unistd::Pid;
use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt;

/// Where pages are read from.
pub enum Source<'a> {
    /// A stopped process; a run's page number is an address.
    Process { pid: i32, mem: File },
    /// A process as it was; a run's page number is an address.
    Snapshot(&'a Snapshot),
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
            Source::Snapshot(_) | Source::Segment(_) => 0,
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
        let pages = runs.iter().flat_map(|run| run.page..run.end());
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
            Source::Snapshot(snapshot) => snapshot.read(bytes, start),
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
            Err(e) => return Err(shmem::failed(proc::errno(&e))),
        }
    }
    bytes[done..].fill(0);
    Ok(())
}
