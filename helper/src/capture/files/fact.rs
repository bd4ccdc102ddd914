//! The facts of open files as they go over the wire. docs/protocol.md, "file" and "fds".

use super::name::Name;
use super::{
    epoll, eventfd, fown, fsnotify, inet, locks, memfd, pidfd, pipe, signalfd, timerfd, tty, unix,
};
use crate::value::Hex;
use serde::Serialize;

/// Number of a `file` frame, from 1.
pub type FileId = u32;

/// An open file description, or a path that is mapped, executed, cwd or root.
#[derive(Debug, Serialize)]
#[serde(tag = "t", rename = "file")]
pub struct File {
    pub id: FileId,
    #[serde(flatten)]
    pub kind: Kind,
    /// False: only a path.
    pub description: bool,
    pub link: String,
    /// O_*, without O_CLOEXEC.
    pub flags: u32,
    pub pos: Hex,
    pub mnt_id: u32,
    #[serde(flatten)]
    pub inode: Inode,
    #[serde(flatten)]
    pub name: Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fown: Option<fown::Owner>,
    pub locks: Vec<locks::Lock>,
}

/// What a file is, with what only its kind has.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", content = "detail", rename_all = "lowercase")]
pub enum Kind {
    Regular,
    Directory,
    Char,
    Block,
    Symlink,
    /// A fifo or a socket that is only named, by O_PATH.
    Named,
    Fifo(pipe::End),
    Pipe(pipe::End),
    Eventfd(eventfd::Eventfd),
    Epoll(epoll::Epoll),
    Timerfd(timerfd::Timerfd),
    Signalfd(signalfd::Signalfd),
    Inotify(fsnotify::Inotify),
    Fanotify(fsnotify::Fanotify),
    Pidfd(pidfd::Pidfd),
    Memfd(memfd::Memfd),
    Tty(Box<tty::Tty>),
    Unix(Box<unix::Unix>),
    Inet(Box<inet::Inet>),
    /// Not handled: the orchestrator refuses it by its link.
    Other {},
}

/// What statx(2) tells, device numbers as stat(2) encodes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inode {
    pub dev: u64,
    pub ino: Hex,
    pub mode: u32,
    pub rdev: u64,
    pub nlink: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: Hex,
}

impl Inode {
    pub fn new(stat: &libc::statx) -> Self {
        Inode {
            dev: device(stat.stx_dev_major, stat.stx_dev_minor),
            ino: Hex(stat.stx_ino),
            mode: u32::from(stat.stx_mode),
            rdev: device(stat.stx_rdev_major, stat.stx_rdev_minor),
            nlink: stat.stx_nlink,
            uid: stat.stx_uid,
            gid: stat.stx_gid,
            size: Hex(stat.stx_size),
        }
    }

    /// The file type: S_IFREG ..., 0 for an anonymous inode.
    pub fn format(&self) -> u32 {
        self.mode & libc::S_IFMT
    }

    pub fn same_as(&self, other: &Inode) -> bool {
        (self.dev, self.ino) == (other.dev, other.ino)
    }
}

/// A device number as stat(2) shows it: new_encode_dev of linux/kdev_t.h.
pub fn device(major: u32, minor: u32) -> u64 {
    u64::from((minor & 0xff) | (major << 8) | ((minor & !0xff) << 12))
}

/// The same from the kernel's own dev_t (major << 20 | minor), which fdinfo and sock_diag show.
pub fn kernel_device(dev: u32) -> u64 {
    device(dev >> 20, dev & 0xf_ffff)
}

/// A descriptor table.
#[derive(Debug, Serialize)]
#[serde(tag = "t", rename = "fds")]
pub struct Fds {
    pub pid: i32,
    pub fds: Vec<Fd>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Fd {
    pub fd: i32,
    pub file: FileId,
    pub cloexec: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn devices_are_those_of_stat() {
        for path in ["/dev/null", "/proc/self/stat", "/"] {
            let meta = std::fs::metadata(path).unwrap();
            let dev = meta.dev();
            assert_eq!(device(libc::major(dev), libc::minor(dev)), dev);
            assert_eq!(kernel_device(libc::major(dev) << 20 | libc::minor(dev)), dev);
        }
        assert_eq!(device(259, 0x12345), libc::makedev(259, 0x12345));
    }
}
