//! Code of the target's own that a remote call borrows: a `syscall; ret`, and a call of
//! rt_sigreturn. Every libc has both; they are looked for before the freeze, in the files that a
//! process has mapped executable, each file once.

use crate::capture::vma::{self, Vma};
use crate::error::{Code, Error, Result};
use crate::sys;
use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

const SYSCALL_RET: &[u8] = b"\x0f\x05\xc3";
pub const SYSCALL_LEN: u64 = 2;

/// `mov $15, %rax; syscall`, as glibc, musl and Go encode it, and the shorter encoding.
const SIGRETURNS: [&[u8]; 2] =
    [b"\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05", b"\xb8\x0f\x00\x00\x00\x0f\x05"];

/// Bytes looked at in one go.
const CHUNK: usize = 256 << 10;

/// What one executable mapping holds, as offsets into it.
#[derive(Clone, Copy, Default)]
struct Found {
    syscall: Option<u64>,
    restorer: Option<u64>,
}

/// Where an address space has what a remote call needs.
#[derive(Clone, Debug)]
pub struct Place {
    /// Of a `syscall; ret`.
    pub syscall: u64,
    /// Of code that calls rt_sigreturn.
    pub restorer: u64,
    /// The main thread's.
    pub stack: Range<u64>,
}

impl Place {
    /// Is the code there? Asked once the process is stopped.
    pub fn holds(&self, memory: &File) -> bool {
        let is = |at, code: &[u8]| {
            let mut bytes = vec![0; code.len()];
            memory.read_exact_at(&mut bytes, at).is_ok() && bytes == code
        };
        is(self.syscall, SYSCALL_RET) && SIGRETURNS.iter().any(|code| is(self.restorer, code))
    }
}

/// Places found so far, by pid, and what each mapped file holds.
#[derive(Default)]
pub struct Gadgets {
    places: HashMap<i32, Place>,
    files: HashMap<(u64, u64, u64), Found>,
}

impl Gadgets {
    /// Look before the freeze, so that it need not be done while the target waits. What cannot be
    /// found now is looked for again then.
    pub fn prepare(&mut self, pids: &[i32]) {
        for &pid in pids {
            let _ = self.find(pid);
        }
    }

    /// The place in a stopped process, checked.
    pub fn place(&mut self, pid: i32, memory: &File) -> Result<Place> {
        match self.places.get(&pid).filter(|place| place.holds(memory)) {
            Some(place) => Ok(place.clone()),
            None => self.find(pid),
        }
    }

    /// Look for the place, by the mappings as they are now. Errors: `UnsupportedObject` where there
    /// is none.
    pub fn find(&mut self, pid: i32) -> Result<Place> {
        let mappings = vma::glance(pid)?;
        let stack = mappings.iter().find(|vma| vma.name == "[stack]");
        let mut all = Found::default();
        // From the top: the dynamic linker and libc lie above the program and its other libraries.
        for vma in mappings.iter().rev().filter(|vma| vma.perms.contains('x') && vma.ino.0 != 0) {
            let found = self.search(pid, vma);
            all.syscall = all.syscall.or(found.syscall.map(|offset| vma.start.0 + offset));
            all.restorer = all.restorer.or(found.restorer.map(|offset| vma.start.0 + offset));
            if let (Some(syscall), Some(restorer), Some(stack)) = (all.syscall, all.restorer, stack)
            {
                let place = Place { syscall, restorer, stack: stack.start.0..stack.end.0 };
                self.places.insert(pid, place.clone());
                return Ok(place);
            }
        }
        let message =
            format!("pid {pid}: its code has no `syscall; ret` and rt_sigreturn to borrow");
        Err(Error::new(Code::UnsupportedObject, message)
            .with_pid(pid)
            .with_remedy("programs without a C library or runtime cannot be dumped"))
    }

    fn search(&mut self, pid: i32, vma: &Vma) -> Found {
        let key = (vma.dev, vma.ino.0, vma.pgoff.0);
        let search = || search_file(pid, vma).unwrap_or_default();
        *self.files.entry(key).or_insert_with(search)
    }
}

/// Read by way of map_files, which finds deleted files too and leaves the target's memory alone.
fn search_file(pid: i32, vma: &Vma) -> std::io::Result<Found> {
    let (start, end) = (vma.start.0, vma.end.0);
    let file = File::open(format!("/proc/{pid}/map_files/{start:x}-{end:x}"))?;
    let mut found = Found::default();
    let mut chunk = vec![0; CHUNK];
    let mut offset = 0;
    while offset < end - start && (found.syscall.is_none() || found.restorer.is_none()) {
        let want = CHUNK.min((end - start - offset) as usize);
        let length = file.read_at(&mut chunk[..want], vma.pgoff.0 + offset)?;
        let here = |code| sys::find(&chunk[..length], code).map(|at| offset + at as u64);
        found.syscall = found.syscall.or_else(|| here(SYSCALL_RET));
        found.restorer = found.restorer.or_else(|| SIGRETURNS.iter().find_map(|code| here(code)));
        if length < SIGRETURNS[0].len() {
            break;
        }
        // Chunks overlap, so that nothing hides at a seam.
        offset += (length - SIGRETURNS[0].len() + 1) as u64;
    }
    Ok(found)
}
