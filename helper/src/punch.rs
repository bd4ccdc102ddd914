//! Holes in files of page data: what a later set replaces is given back to the disk.

use crate::error::{Code, Error, Result};
use crate::limit::Limit;
use crate::memory::PAGE;
use crate::wire::{PunchRequest, Request, Wire};
use nix::errno::Errno;
use nix::fcntl::{fallocate, open, FallocateFlags, OFlag};
use nix::sys::stat::{fstat, FileStat, Mode, SFlag};
use serde::Serialize;
use std::os::fd::OwnedFd;

/// Bytes of a block in `st_blocks`: stat(3type).
const BLOCK: i64 = 512;

#[derive(Serialize)]
#[serde(tag = "t", rename = "punched")]
struct Punched {
    freed: u64,
}

/// Answer this request, and all that follow until the orchestrator has no more.
pub fn punch(first: PunchRequest, wire: &Wire, limit: &Limit) -> Result<()> {
    let mut request = first;
    loop {
        wire.send(&Punched { freed: punch_file(&request)? }, limit)?;
        request = match wire.receive(limit) {
            Ok(Request::Punch(next)) => next,
            Ok(_) => return Err(Error::new(Code::Protocol, "expected punch")),
            Err(error) if error.code == Code::Aborted => return Ok(()),
            Err(error) => return Err(error),
        };
    }
}

/// Punch all holes of a request; nothing is changed where one of them cannot be. Gives the bytes
/// that the file takes less of the disk.
fn punch_file(request: &PunchRequest) -> Result<u64> {
    let file = open_file(request)?;
    let before = stat(request, &file)?;
    let ranges = check_ranges(request, before.st_size)?;
    for (offset, length) in ranges {
        let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        fallocate(&file, flags, offset, length)
            .map_err(|e| failed(request, "punching holes", e))?;
    }
    let freed = before.st_blocks - stat(request, &file)?.st_blocks;
    Ok((freed * BLOCK).max(0) as u64)
}

fn open_file(request: &PunchRequest) -> Result<OwnedFd> {
    if !request.path.is_absolute() {
        return Err(refused(request, "the path is not absolute"));
    }
    // O_NONBLOCK: whoever put a fifo there does not make us wait.
    let flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    open(&request.path, flags, Mode::empty()).map_err(|e| failed(request, "opening", e))
}

/// What the file is: a regular one, with no other name under which somebody counts on it.
fn stat(request: &PunchRequest, file: &OwnedFd) -> Result<FileStat> {
    let stat = fstat(file).map_err(|e| failed(request, "reading", e))?;
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        return Err(refused(request, "it is no regular file"));
    }
    if stat.st_nlink != 1 {
        return Err(refused(request, "the file has another name, where its pages may be needed"));
    }
    Ok(stat)
}

/// The holes as offset and length: whole pages within the file.
fn check_ranges(request: &PunchRequest, size: i64) -> Result<Vec<(i64, i64)>> {
    let pairs = request.ranges.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err(refused(request, "an offset has no length"));
    }
    let hole = |pair: &[u64]| {
        let (offset, length) = (pair[0], pair[1]);
        let is_within = offset.checked_add(length).is_some_and(|end| end <= size as u64);
        let is_whole = length > 0 && offset % PAGE == 0 && length % PAGE == 0;
        (is_within && is_whole).then_some((offset as i64, length as i64))
    };
    let holes: Option<Vec<_>> = pairs.map(hole).collect();
    holes.ok_or_else(|| refused(request, "a range is not of whole pages within the file"))
}

fn refused(request: &PunchRequest, why: &str) -> Error {
    Error::new(Code::Write, format!("cannot punch holes into {}: {why}", request.path.display()))
}

fn failed(request: &PunchRequest, doing: &str, errno: Errno) -> Error {
    let reason = match errno {
        Errno::EOPNOTSUPP => "its file system knows no holes",
        errno => errno.desc(),
    };
    let what = format!("{}: {doing}: {reason}", request.path.display());
    Error { errno: Some(errno as i32), ..Error::new(Code::Write, what) }
}
