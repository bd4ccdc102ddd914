//! Finds pages by reading /proc/PID/pagemap, eight bytes for every page of a mapping, present or
//! not: for kernels before 6.7, which have no PAGEMAP_SCAN. A huge page of zeros that was only ever
//! read counts as data here: nothing but the ioctl tells it apart.

use super::scan::{Found, Pages, Target};
use super::spans::{Look, Span};
use super::PAGE;
use crate::error::Result;
use nix::errno::Errno;
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;

/// Pages read at a time.
const BATCH: usize = 64 << 10;

// Documentation/admin-guide/mm/pagemap.rst
const PFN: u64 = (1 << 55) - 1;
const GUARD: u64 = 1 << 58; // Linux 6.15
const FILE: u64 = 1 << 61;
const SWAPPED: u64 = 1 << 62;
const PRESENT: u64 = 1 << 63;

pub struct Entries {
    /// The page frame that is all zeros, where page frames may be seen (CAP_SYS_ADMIN).
    zero: Option<u64>,
    buffer: Vec<u8>,
}

impl Entries {
    pub fn new() -> Self {
        Entries { zero: zero_frame(), buffer: vec![0; BATCH * 8] }
    }

    /// Add the span's pages.
    pub fn scan(&mut self, target: &Target, span: &Span, pages: &mut Pages) -> Result<()> {
        if span.look == Look::Nothing {
            return Ok(());
        }
        let mut start = span.start;
        while start < span.end {
            target.limit.check()?;
            let count = (BATCH as u64).min((span.end - start) / PAGE);
            let bytes = &mut self.buffer[..count as usize * 8];
            read_at(&target.pagemap, bytes, start / PAGE * 8).map_err(|e| target.failed(e))?;
            for (nth, entry) in (0..).zip(bytes.chunks_exact(8)) {
                let entry = entry.try_into().map_or(0, u64::from_ne_bytes);
                let guard = entry & GUARD != 0;
                if guard || is_data(span.look, entry, self.zero) {
                    let page = start + nth * PAGE;
                    let found = if guard { Found::Guard } else { Found::Data };
                    pages.add(span, page, page + PAGE, found);
                }
            }
            start += count * PAGE;
        }
        Ok(())
    }
}

fn is_data(look: Look, entry: u64, zero: Option<u64>) -> bool {
    let is_zero = entry & PRESENT != 0 && Some(entry & PFN) == zero;
    let holds = entry & (PRESENT | SWAPPED) != 0 && !is_zero;
    match look {
        Look::Everything => true,
        Look::Anonymous => holds,
        Look::File => holds && entry & FILE == 0,
        Look::Nothing | Look::Guards => false,
    }
}

/// Read a page that was never written and see which frame the kernel shows there. That it is the
/// one has to be told by kpageflags: else a frame of our own, once freed, could become another's.
fn zero_frame() -> Option<u64> {
    const KPF_ZERO_PAGE: u64 = 1 << 24;
    let memory = vec![0u8; 64 << 20]; // so large that it is mapped, not taken from the heap
    let last = memory.len() / PAGE as usize * PAGE as usize - PAGE as usize; // in no huge page
    black_box(memory[last]);
    let page = memory[last..].as_ptr() as u64 / PAGE;
    let frame = word(&File::open("/proc/self/pagemap").ok()?, page)? & PFN;
    let flags = word(&File::open("/proc/kpageflags").ok()?, frame)?;
    (frame != 0 && flags & KPF_ZERO_PAGE != 0).then_some(frame)
}

/// The nth 64-bit word of a file.
fn word(file: &File, nth: u64) -> Option<u64> {
    let mut word = [0; 8];
    read_at(file, &mut word, nth * 8).ok()?;
    Some(u64::from_ne_bytes(word))
}

/// Read it all; what ends before has lost its process.
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> nix::Result<()> {
    file.read_exact_at(bytes, offset)
        .map_err(|e| e.raw_os_error().map_or(Errno::ESRCH, Errno::from_raw))
}
