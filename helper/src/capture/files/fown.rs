//! Who is signalled when a description becomes ready: fcntl(2), F_SETOWN and F_SETSIG.

use super::descriptor::Descriptor;
use crate::error::Result;
use crate::sys;
use nix::libc::O_PATH;
use serde::Serialize;

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Owner {
    /// Of whoever set it.
    pub uid: u32,
    pub euid: u32,
    /// 0: SIGIO.
    pub signum: i32,
    /// F_OWNER_*: 0 a thread, 1 a process, 2 a process group.
    pub pid_type: i32,
    pub pid: i32,
}

/// `None` where nobody set anything. An O_PATH descriptor has no owner: EBADF.
pub fn capture(d: &Descriptor) -> Result<Option<Owner>> {
    if d.info.flags & O_PATH as u32 != 0 {
        return Ok(None);
    }
    let (pid_type, pid) = d.told("F_GETOWN_EX", sys::fcntl_getown(d.dup))?;
    let signum = d.told("F_GETSIG", sys::fcntl_getsig(d.dup))?;
    if (pid, signum) == (0, 0) {
        return Ok(None);
    }
    let (uid, euid) = d.told("F_GETOWNER_UIDS", sys::fcntl_getowner_uids(d.dup))?;
    Ok(Some(Owner { uid, euid, signum, pid_type, pid }))
}
