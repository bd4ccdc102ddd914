//! Copies page data into a file, run after run without gaps.
//!
//! Measured for 1 GiB into tmpfs, 2 cores: process_vm_readv into a buffer and pwrite, 410 ms, or
//! 200 by two threads into space that fallocate made before; straight into a mapping of the file,
//! 500, or 110 if the mapping was filled before, for which the target waits 375 ms less but all
//! else longer, and which fails in stranger ways on a full disk; /proc/PID/mem, 450. So: a buffer that
//! stays in the cache, two threads or more.
//!
//! On a disk of 2.5 GB/s (ext4), at best of 11 rounds: through the page cache 190 ms; O_DIRECT from
//! aligned buffers, of 1 MiB by four threads, 280; of each round's two the median ratio is 0.96. For
//! 64 MiB it is 1.09, and 0.74 where the page cache finds no memory at hand. That is not enough for a
//! pause that would be as long as the disk is slow. splice(2) takes pages from a pipe, into which
//! none but the target could put its own (vmsplice(2)).
//!
//! Looking for zeros costs nothing that can be measured. 1 GiB of them takes half to two thirds of
//! the time that storing them takes: what is left is the reading.

mod source;
mod work;
mod zeros;

pub use source::Source;

use super::pages_file::PagesFile;
use super::runs::{Run, Runs};
use super::PAGE;
use crate::error::{Code, Error, Result};
use crate::limit::Limit;
use std::thread;
pub use work::CHUNK;
use work::{Chunk, Work};

/// Pages for each further thread to be worth its start.
pub const SHARE: u64 = 1024;

/// Copying is bound by memory, not by processors.
const MOST_THREADS: u64 = 4;

/// Pages between two reports of progress.
pub const REPORT: u64 = 16 << 10;

/// Threads that copying is worth on this machine. Reads files: to be asked before the freeze.
pub fn threads() -> u64 {
    thread::available_parallelism().map_or(1, |n| (n.get() as u64).min(MOST_THREADS))
}

/// What to copy of the runs that are given.
#[derive(Clone, Copy)]
pub struct Choice {
    /// Those that are lazy too.
    pub lazy_too: bool,
    /// Pages that are all zeros too, where a restore without them would bring zeros all the same.
    pub keep_zeros: bool,
}

/// What became of a copy.
#[derive(Default)]
pub struct Copied {
    /// Pages stored.
    pub pages: u64,
    /// Pages left out since they are all zeros.
    pub zeros: Runs,
}

/// Copy runs into a file of their own. `progress` is told every now and then how many pages are.
///
/// Errors: `TargetGone`, `Kernel`, `NoSpace`, `Write`, those of `limit`.
pub fn copy(
    source: &Source,
    (runs, choice): (&[Run], Choice),
    file: &PagesFile,
    (threads, limit): (u64, &Limit),
    progress: &mut dyn FnMut(u64),
) -> Result<Copied> {
    let wanted = runs.iter().filter(|run| choice.lazy_too || !run.lazy);
    let total: u64 = wanted.map(|run| u64::from(run.pages)).sum();
    let helpers = (total / SHARE).min(threads - 1);
    let work = Work::new((runs, choice.lazy_too));
    let run = |progress: &mut dyn FnMut(u64)| {
        let result = copy_chunks(source, &work, choice.keep_zeros, file, limit, progress);
        if result.is_err() {
            work.fail();
        }
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
    Ok(work.done())
}

/// What one thread does, until nothing is left or another failed.
fn copy_chunks(
    source: &Source,
    work: &Work,
    keep_zeros: bool,
    file: &PagesFile,
    limit: &Limit,
    progress: &mut dyn FnMut(u64),
) -> Result<()> {
    let mut buffer = vec![0; (CHUNK * PAGE) as usize];
    let (mut chunk, mut zeros) = (Chunk::default(), Vec::new());
    let mut reported = 0;
    loop {
        let given = work.take(&mut chunk);
        if chunk.runs.is_empty() {
            return Ok(());
        }
        limit.check()?;
        let bytes = &mut buffer[..(chunk.pages() * PAGE) as usize];
        source.read(&chunk.runs, bytes)?;
        let stored = match keep_zeros {
            true => bytes.len(),
            false => zeros::leave_out(&chunk.runs, bytes, &mut zeros),
        };
        let Some(offset) = work.place(&chunk, &zeros) else { return Ok(()) };
        file.write(&bytes[..stored], offset)?;
        if given - reported >= REPORT {
            progress(given);
            reported = given;
        }
    }
}
