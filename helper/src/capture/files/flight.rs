//! Descriptors in flight: sent over a unix socket by SCM_RIGHTS, and not received yet. Each is a file
//! like any other; it may be open nowhere else, and be itself a socket in which descriptors travel.

use super::fact::{FileId, Kind};
use super::fdinfo::FdInfo;
use super::proc::fdinfo_of;
use super::table::FileTable;
use crate::error::{Error, Result};
use crate::limit::Limit;
use nix::errno::Errno;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// A duplicate of a descriptor that travels, to be closed before the tree runs on: it may be the end
/// of a pipe that others wait for.
pub struct InFlight {
    pub fd: OwnedFd,
    pub file: FileId,
}

impl FileTable {
    /// Once all tables are captured: tell which files travel in the queues of the tree's sockets.
    /// `pid`: a task, from whose root their names are seen.
    pub(super) fn follow_rights(&mut self, pid: i32, limit: &Limit) -> Result<()> {
        let mut next = 0;
        while next < self.files.len() {
            limit.check()?;
            for (packet, fd) in self.take_received(next) {
                let file = self.received(pid, &fd)?;
                let Kind::Unix(unix) = &mut self.files[next].kind else { continue };
                unix.queue[packet].rights.push(file);
                self.in_flight.push(InFlight { fd, file });
            }
            next += 1;
        }
        Ok(())
    }

    /// What came with each packet in a file's queue.
    fn take_received(&mut self, index: usize) -> Vec<(usize, OwnedFd)> {
        let Kind::Unix(unix) = &mut self.files[index].kind else { return Vec::new() };
        let packets = unix.queue.iter_mut().enumerate();
        packets.flat_map(|(packet, of)| of.received.drain(..).map(move |fd| (packet, fd))).collect()
    }

    fn received(&mut self, pid: i32, fd: &OwnedFd) -> Result<FileId> {
        let proc = self.take_proc(pid)?;
        let failed =
            |errno| Error::of_task(pid, "a descriptor in a queue: reading its fdinfo", errno);
        let text = fdinfo_of(fd.as_fd()).map_err(failed)?;
        let info = FdInfo::parse(&text).map_err(|_| failed(Errno::EBADMSG))?;
        let at = (std::process::id() as i32, fd.as_raw_fd());
        let clone = || fd.try_clone().map_err(|_| Errno::EMFILE);
        let file = self.file_at(&proc, at, &info, clone)?;
        self.proc = Some(proc);
        Ok(file)
    }
}
