//! Deleted files that are still open or mapped: their content exists nowhere else, so it is copied
//! into a temporary file of the images folder while the tree is frozen. docs/protocol.md, "ghost".

use super::fact::{Inode, Kind};
use super::proc::Proc;
use crate::error::{Code, Error, Result};
use crate::limit::Limit;
use nix::errno::Errno;
use nix::fcntl::{openat, OFlag};
use nix::sys::sendfile::sendfile;
use nix::sys::stat::Mode;
use nix::unistd::{ftruncate, lseek, unlinkat, UnlinkatFlags, Whence};
use serde::Serialize;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

#[derive(Debug, Serialize)]
#[serde(tag = "t", rename = "ghost")]
pub struct Ghost {
    #[serde(flatten)]
    pub inode: Inode,
    /// Seconds and nanoseconds.
    pub atime: (i64, u32),
    pub mtime: (i64, u32),
    /// Name in the images folder of a file with its content; absent: not a regular file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Where its data lies, offset and length by turns; what is not named is a hole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extents: Vec<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub too_large: bool,
}

/// Deleted files found so far, by device and inode.
#[derive(Default)]
pub struct Ghosts {
    found: BTreeMap<(u64, u64), Found>,
}

struct Found {
    ghost: Ghost,
    allocated: u64,
    /// Where to open it again: a task, and a link of its /proc.
    pid: i32,
    link: String,
    /// The name it had.
    name: String,
    leased: bool,
}

impl Ghosts {
    /// Notes it if it is deleted: no link at all is left. One name less than there were is the
    /// orchestrator's to see, by path_ok. `at` is a link below /proc/PID, `name` what it shows.
    pub fn note(&mut self, kind: &Kind, stat: &libc::statx, pid: i32, at: &str, name: &str) {
        use Kind::*;
        if stat.stx_nlink != 0 || !matches!(kind, Regular | Directory | Char | Block | Fifo(_)) {
            return;
        }
        let inode = Inode::new(stat);
        self.found.entry((inode.dev, inode.ino.0)).or_insert_with(|| Found {
            allocated: stat.stx_blocks * 512,
            pid,
            link: at.to_owned(),
            name: name.to_owned(),
            leased: false,
            ghost: Ghost {
                atime: (stat.stx_atime.tv_sec, stat.stx_atime.tv_nsec),
                mtime: (stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
                inode,
                content: None,
                extents: Vec::new(),
                too_large: false,
            },
        });
    }

    /// To open it again would break the lease that someone holds on it.
    pub fn note_lease(&mut self, inode: &Inode) {
        if let Some(found) = self.found.get_mut(&(inode.dev, inode.ino.0)) {
            found.leased = true;
        }
    }

    /// Copies the contents. A file is larger than `ghost_limit` by what it occupies, as for CRIU.
    /// Errors: what the images folder refuses; an inode that cannot be opened for reading.
    pub fn copy(self, folder: &OwnedFd, ghost_limit: u64, limit: &Limit) -> Result<Copies> {
        let mut copies = Copies::new(folder)?;
        for mut found in self.found.into_values() {
            if found.ghost.inode.format() == libc::S_IFREG {
                found.ghost.too_large = found.allocated > ghost_limit;
                if !found.ghost.too_large {
                    found.copy(&mut copies, limit)?;
                }
            }
            copies.ghosts.push(found.ghost);
        }
        Ok(copies)
    }
}

impl Found {
    fn copy(&mut self, copies: &mut Copies, limit: &Limit) -> Result<()> {
        if self.leased {
            let what =
                format!("pid {}: {}: a deleted file with a lease on it", self.pid, self.name);
            return Err(Error::new(Code::UnsupportedObject, what)
                .with_pid(self.pid)
                .with_object(&self.name)
                .with_remedy("give the lease up (F_SETLEASE)"));
        }
        let source =
            Proc::open(self.pid)?.reopen(&self.link).map_err(|errno| self.failed(errno))?;
        let target = copies.create()?;
        let size = self.ghost.inode.size.0;
        let extents = extents(&source, size).map_err(|errno| self.failed(errno))?;
        ftruncate(&target, size as i64).map_err(written)?;
        for extent in extents.chunks_exact(2) {
            lseek(&target, extent[0] as i64, Whence::SeekSet).map_err(written)?;
            self.copy_extent(&source, &target, extent[0], extent[1], limit)?;
        }
        self.ghost.extents = extents;
        self.ghost.content = copies.names.last().cloned();
        Ok(())
    }

    fn copy_extent(
        &self,
        source: &OwnedFd,
        target: &OwnedFd,
        offset: u64,
        length: u64,
        limit: &Limit,
    ) -> Result<()> {
        const CHUNK: i64 = 4 << 20;
        let mut at = offset as i64;
        let end = (offset + length) as i64;
        while at < end {
            limit.check()?;
            let count = (end - at).min(CHUNK) as usize;
            if sendfile(target, source, Some(&mut at), count).map_err(written)? == 0 {
                return Err(self.failed(Errno::EIO));
            }
        }
        Ok(())
    }

    fn failed(&self, errno: Errno) -> Error {
        let doing = format!("reading the deleted file {}", self.name);
        Error::of_task(self.pid, &doing, errno).with_object(&self.name)
    }
}

/// Offset and length of each run of data, by turns: lseek(2), SEEK_DATA. Beyond a number that no
/// frame should hold, the rest counts as one.
fn extents(file: &OwnedFd, size: u64) -> nix::Result<Vec<u64>> {
    const MOST: usize = 2 * 100_000;
    let mut extents = Vec::new();
    let mut at = 0;
    while at < size {
        let start = match lseek(file, at as i64, Whence::SeekData) {
            Err(Errno::ENXIO) => break,
            start => start? as u64,
        };
        let end = match extents.len() < MOST {
            true => lseek(file, start as i64, Whence::SeekHole)? as u64,
            false => size,
        };
        extents.extend([start, end.min(size) - start]);
        at = end;
    }
    Ok(extents)
}

/// The copies made, removed again unless `keep` is called.
pub struct Copies {
    pub ghosts: Vec<Ghost>,
    folder: OwnedFd,
    names: Vec<String>,
    number: u32,
}

impl Copies {
    fn new(folder: &OwnedFd) -> Result<Self> {
        let folder = folder.try_clone().map_err(|error| {
            written(Errno::from_raw(error.raw_os_error().unwrap_or(libc::EMFILE)))
        })?;
        Ok(Copies { ghosts: Vec::new(), folder, names: Vec::new(), number: 0 })
    }

    /// A new file of ours, whatever names are taken.
    fn create(&mut self) -> Result<OwnedFd> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
        loop {
            self.number += 1;
            let name = format!(".ckpt-ghost-{}", self.number);
            let mode = Mode::S_IRUSR | Mode::S_IWUSR;
            match openat(&self.folder, name.as_str(), flags | OFlag::O_CLOEXEC, mode) {
                Err(Errno::EEXIST) => continue,
                Err(errno) => return Err(written(errno)),
                Ok(file) => {
                    self.names.push(name);
                    return Ok(file);
                }
            }
        }
    }

    /// They are the orchestrator's now.
    pub fn keep(&mut self) {
        self.names.clear();
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = unlinkat(&self.folder, name.as_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

fn written(errno: Errno) -> Error {
    let code = match errno {
        Errno::ENOSPC | Errno::EDQUOT => Code::NoSpace,
        _ => Code::Write,
    };
    let what = format!("copying a deleted file into the images folder: {}", errno.desc());
    let mut error = Error::new(code, what);
    error.errno = Some(errno as i32);
    error
}
