//! /proc/PID of one task, held open, so that a lookup is short and never meets another process of
//! the same number.

use crate::error::{Code, Error, Result};
use crate::sys;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{openat, readlink, readlinkat, OFlag};
use nix::sys::stat::Mode;
use nix::unistd::read;
use std::ffi::{CStr, CString, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

const FOLDER: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);
const READ: OFlag = OFlag::O_RDONLY.union(OFlag::O_CLOEXEC);
const LINK_ITSELF: i32 = libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT;

pub struct Proc {
    pub pid: i32,
    dir: OwnedFd,
    fdinfo: OwnedFd,
    /// Of the task, and its name as we see it, "/" unless it lives in a chroot.
    root: OwnedFd,
    root_link: String,
}

impl Proc {
    /// Errors: as `Error::of_task`.
    pub fn open(pid: i32) -> Result<Self> {
        let path = format!("/proc/{pid}");
        let open = || -> nix::Result<_> {
            let dir = nix::fcntl::open(path.as_str(), FOLDER, Mode::empty())?;
            let fdinfo = openat(&dir, "fdinfo", FOLDER, Mode::empty())?;
            let root = openat(&dir, "root", FOLDER, Mode::empty())?;
            Ok((dir, fdinfo, root))
        };
        let (dir, fdinfo, root) =
            open().map_err(|errno| Error::of_task(pid, "opening its /proc", gone(errno)))?;
        let mut proc = Proc { pid, dir, fdinfo, root, root_link: String::new() };
        proc.root_link = proc.link("root")?;
        Ok(proc)
    }

    pub fn root(&self) -> (BorrowedFd<'_>, &str) {
        (self.root.as_fd(), &self.root_link)
    }

    /// The open descriptors, ascending.
    pub fn descriptors(&self) -> Result<Vec<i32>> {
        let list = || -> nix::Result<Vec<i32>> {
            let mut dir = Dir::openat(&self.dir, "fdinfo", READ, Mode::empty())?;
            let mut fds = Vec::new();
            for entry in dir.iter() {
                let name = entry?;
                fds.extend(
                    name.file_name().to_str().ok().and_then(|name| name.parse::<i32>().ok()),
                );
            }
            fds.sort_unstable();
            Ok(fds)
        };
        list().map_err(|errno| Error::of_task(self.pid, "listing its descriptors", gone(errno)))
    }

    /// The text of fdinfo/`fd`, into a buffer that is used again and again.
    pub fn fdinfo<'a>(&self, fd: i32, buffer: &'a mut Vec<u8>) -> Result<&'a str> {
        let name = format!("{fd}");
        let fill = |buffer: &mut Vec<u8>| -> nix::Result<usize> {
            let file = openat(&self.fdinfo, name.as_str(), READ, Mode::empty())?;
            read_whole(&file, buffer)
        };
        let length = fill(buffer).map_err(|errno| self.failed(&format!("fdinfo/{fd}"), errno))?;
        std::str::from_utf8(&buffer[..length])
            .map_err(|_| self.failed(&format!("fdinfo/{fd}"), Errno::EILSEQ))
    }

    /// The target of a link: fd/7, exe, cwd, root, map_files/A-B.
    pub fn link(&self, name: &str) -> Result<String> {
        let target = readlinkat(&self.dir, name).map_err(|errno| self.failed(name, errno))?;
        utf8(target).map_err(|error| error.with_pid(self.pid))
    }

    /// Of what that link leads to.
    pub fn stat(&self, name: &str) -> Result<libc::statx> {
        let path = CString::new(name).unwrap_or_default();
        sys::statx(self.dir.as_fd(), &path, 0).map_err(|errno| self.failed(name, errno))
    }

    /// Of `path`, which starts at the task's root, not following a link; `None` if there is none.
    pub fn lstat(&self, path: &str) -> Result<Option<libc::statx>> {
        let relative = CString::new(path.trim_start_matches('/')).unwrap_or_default();
        match sys::statx(self.root.as_fd(), &relative, LINK_ITSELF) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            Err(errno) => Err(self.failed(path, errno)),
        }
    }

    /// A new description of what that link leads to, for reading, leaving no trace in its atime.
    pub fn reopen(&self, name: &str) -> nix::Result<OwnedFd> {
        let flags = READ | OFlag::O_NOATIME | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        openat(&self.dir, name, flags, Mode::empty())
    }

    fn failed(&self, name: &str, errno: Errno) -> Error {
        Error::of_task(self.pid, &format!("reading its {name}"), gone(errno))
    }
}

/// What /proc shows a descriptor of our own to be, the same as for its original in a task. Ours
/// has the same few numbers again and again, which the kernel need not look up anew each time.
pub fn link_of(fd: BorrowedFd) -> Result<String> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let target = readlink(path.as_str());
    utf8(target.map_err(|errno| Error::of_task(0, "reading its own links", errno))?)
}

/// The fdinfo of a descriptor of our own, in which a task's locks do not show.
pub fn fdinfo_of(fd: BorrowedFd) -> nix::Result<String> {
    std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()))
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
}

/// Of our own descriptor.
pub fn stat_of(fd: BorrowedFd) -> nix::Result<libc::statx> {
    const ITSELF: &CStr = c"";
    sys::statx(fd, ITSELF, 0)
}

/// Error: names that are not UTF-8 have no place in a frame.
pub fn utf8(name: OsString) -> Result<String> {
    name.into_string().map_err(|name| {
        let name = name.to_string_lossy();
        Error::new(Code::UnsupportedObject, format!("the name of {name} is not valid UTF-8"))
            .with_object(name)
            .with_remedy("rename the file, or close it")
    })
}

/// A process that is gone has no /proc, and one that was has an empty one.
fn gone(errno: Errno) -> Errno {
    if errno == Errno::ENOENT {
        Errno::ESRCH
    } else {
        errno
    }
}

/// A file of /proc that is one record ends with the first read that does not fill the buffer.
fn read_whole(file: &OwnedFd, buffer: &mut Vec<u8>) -> nix::Result<usize> {
    let mut length = 0;
    loop {
        if buffer.len() - length < 4096 {
            buffer.resize(buffer.len() * 2 + 4096, 0);
        }
        let room = buffer.len() - length;
        let count = read(file, &mut buffer[length..])?;
        length += count;
        if count < room {
            return Ok(length);
        }
    }
}
