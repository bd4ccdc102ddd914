//! An open descriptor of a frozen task, as the capture of its kind is given it.

use super::fact::Inode;
use super::fdinfo::FdInfo;
use crate::error::{Code, Error, Result};
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use std::os::fd::BorrowedFd;

pub struct Descriptor<'a> {
    pub pid: i32,
    /// None: it travels in a socket's queue.
    pub fd: Option<i32>,
    /// Our own duplicate, closed when the capture is done.
    pub dup: BorrowedFd<'a>,
    pub link: &'a str,
    pub inode: &'a Inode,
    pub info: &'a FdInfo<'a>,
}

impl Descriptor<'_> {
    /// The name that errors call it by: `fd 7 -> socket:[123]`.
    pub fn object(&self) -> String {
        match self.fd {
            Some(fd) => format!("fd {fd} -> {}", self.link),
            None => format!("in a socket's queue -> {}", self.link),
        }
    }

    /// The result of a kernel call on it, an error with its name.
    pub fn told<T>(&self, doing: &str, result: nix::Result<T>) -> Result<T> {
        result.map_err(|errno| {
            let object = self.object();
            Error::of_task(self.pid, &format!("{object}: {doing}"), errno).with_object(object)
        })
    }

    /// The result of reading its fdinfo, an error that names the line.
    pub fn read<T>(&self, result: std::result::Result<T, &'static str>) -> Result<T> {
        result.map_err(|line| {
            let object = self.object();
            let what = format!("pid {}: {object}: its fdinfo has no valid line '{line}'", self.pid);
            Error::new(Code::Kernel, what).with_pid(self.pid).with_object(object)
        })
    }

    /// It cannot be captured without harm or loss.
    pub fn unsupported(&self, why: &str, remedy: &str) -> Error {
        let object = self.object();
        Error::new(Code::UnsupportedObject, format!("pid {}: {object}: {why}", self.pid))
            .with_pid(self.pid)
            .with_object(object)
            .with_remedy(remedy)
    }

    /// What poll(2) tells now.
    pub fn poll(&self) -> Result<PollFlags> {
        let mut fds = [PollFd::new(self.dup, PollFlags::POLLIN)];
        self.told("poll", poll(&mut fds, PollTimeout::ZERO))?;
        Ok(fds[0].revents().unwrap_or(PollFlags::empty()))
    }
}
