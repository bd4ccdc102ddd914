//! The namespaces of a process, as inode numbers. namespaces(7).

use crate::error::{Error, Result};
use crate::proc;
use crate::value::Hex;
use serde::Serialize;
use std::fs;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Namespaces {
    pid: Hex,
    pid_for_children: Hex,
    net: Hex,
    ipc: Hex,
    uts: Hex,
    mnt: Hex,
    user: Hex,
    cgroup: Hex,
    time: Hex,
    time_for_children: Hex,
}

impl Namespaces {
    /// Children are born into the same ones.
    pub fn are_childrens(&self) -> bool {
        (self.pid, self.time) == (self.pid_for_children, self.time_for_children)
    }
}

/// 0 for a kind that the kernel does not have.
pub fn capture(pid: i32) -> Result<Namespaces> {
    let inode = |kind: &str| match fs::read_link(format!("/proc/{pid}/ns/{kind}")) {
        // KIND:[INODE]
        Ok(link) => {
            let link = link.to_string_lossy();
            let inode = link.split_once('[').and_then(|(_, rest)| rest.strip_suffix(']'));
            let inode = inode.and_then(|inode| inode.parse().ok());
            inode.map(Hex).ok_or_else(|| proc::odd(pid, "ns", &link))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Hex(0)),
        Err(e) => Err(Error::of_task(pid, "reading its namespaces", proc::errno(&e))),
    };
    Ok(Namespaces {
        pid: inode("pid")?,
        pid_for_children: inode("pid_for_children")?,
        net: inode("net")?,
        ipc: inode("ipc")?,
        uts: inode("uts")?,
        mnt: inode("mnt")?,
        user: inode("user")?,
        cgroup: inode("cgroup")?,
        time: inode("time")?,
        time_for_children: inode("time_for_children")?,
    })
}
