//! memfd_create(2): its name and seals. Its pages are a segment of shared memory.

use super::fact::Inode;
use super::proc::stat_of;
use nix::fcntl::{fcntl, FcntlArg};
use nix::sys::memfd::{memfd_create, MFdFlags};
use nix::sys::statfs::{fstatfs, HUGETLBFS_MAGIC};
use serde::Serialize;
use std::os::fd::{AsFd, BorrowedFd};

#[derive(Debug, Serialize)]
pub struct Memfd {
    pub name: String,
    /// F_SEAL_*
    pub seals: i32,
    pub hugetlb: bool,
}

/// `None` if it is a file that only looks like one: an unlinked /memfd:x of a real tmpfs. The
/// kernel's own mount of tmpfs, where memfds live, is known by the device of one of ours.
pub fn capture(fd: BorrowedFd, link: &str, inode: &Inode) -> nix::Result<Option<Memfd>> {
    let name = link.strip_prefix("/memfd:").and_then(|rest| rest.strip_suffix(" (deleted)"));
    let Some(name) = name else { return Ok(None) };
    let hugetlb = fstatfs(fd)?.filesystem_type() == HUGETLBFS_MAGIC;
    if !hugetlb {
        let ours = memfd_create(c"ckpt", MFdFlags::MFD_CLOEXEC)?;
        if Inode::new(&stat_of(ours.as_fd())?).dev != inode.dev {
            return Ok(None);
        }
    }
    let seals = fcntl(fd, FcntlArg::F_GET_SEALS)?;
    Ok(Some(Memfd { name: name.to_owned(), seals, hugetlb }))
}
