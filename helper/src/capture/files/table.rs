//! All files of a tree: each descriptor is told which file it is, each file once.

use super::descriptor::Descriptor;
use super::fact::{Fd, Fds, File, FileId, Inode};
use super::fdinfo::FdInfo;
use super::ghost::{Copies, Ghosts};
use super::kind::Shared;
use super::order::{Descriptions, Known, Place};
use super::paths::Paths;
use super::pipe::Pipe;
use super::proc::{link_of, stat_of, Proc};
use super::{epoll, fown, locks, tty};
use crate::error::{Code, Error, Result};
use crate::limit::Limit;
use crate::sys;
use crate::task::Task;
use crate::tcp::Connection;
use crate::value::Hex;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Files of the tree, each told once.
#[derive(Default)]
pub struct FileTable {
    files: Vec<File>,
    tables: Vec<Fds>,
    known: Descriptions,
    pub(super) paths: Paths,
    shared: Shared,
    pub(super) ghosts: Ghosts,
    /// The task asked about last: requests come task by task.
    pub(super) proc: Option<Proc>,
    /// fdinfo is read into it.
    buffer: Vec<u8>,
}

/// All that is known when every task has been captured.
pub struct Facts {
    pub files: Vec<File>,
    pub tables: Vec<Fds>,
    pub pipes: Vec<Pipe>,
    /// TCP connections, which are told of by `crate::tcp`.
    pub connections: Vec<Connection>,
    /// Removes its files from the images folder unless `keep` is called.
    pub ghosts: Copies,
}

/// Before the freeze: has the kernel build what listing a task's descriptors takes, the larger
/// half of what the first look at them costs. That it may fail does not matter yet.
pub fn warm(pid: i32) {
    let _ = Proc::open(pid).and_then(|proc| proc.descriptors());
}

impl FileTable {
    /// Captures a task's descriptor table: once for each distinct one (`task.files == task.pid`).
    pub fn capture(&mut self, task: &Task, limit: &Limit) -> Result<()> {
        let proc = self.take_proc(task.pid)?;
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut fds = Vec::new();
        for (index, fd) in proc.descriptors()?.into_iter().enumerate() {
            if index % 64 == 0 {
                limit.check()?;
            }
            let text = proc.fdinfo(fd, &mut buffer)?;
            fds.push(self.descriptor(&proc, task.pidfd.as_fd(), fd, text)?);
        }
        self.tables.push(Fds { pid: task.pid, fds });
        self.buffer = buffer;
        self.proc = Some(proc);
        Ok(())
    }

    /// What takes all of the tree's files to tell, still frozen: watched files of epolls, peers,
    /// sessions of ttys (`pids`: of all tasks that are no zombies), and copies of deleted files
    /// of at most `ghost_limit` bytes into `folder`, the images folder.
    pub fn finish(
        mut self,
        pids: &[i32],
        folder: &OwnedFd,
        ghost_limit: u64,
        limit: &Limit,
    ) -> Result<Facts> {
        epoll::resolve(&mut self.files, &self.tables, &self.known, limit)?;
        self.shared.unix.resolve(&mut self.files);
        tty::resolve(&mut self.files, pids)?;
        let ghosts = self.ghosts.copy(folder, ghost_limit, limit)?;
        let pipes = self.shared.pipes.facts();
        let connections = self.shared.inet.connections;
        Ok(Facts { files: self.files, tables: self.tables, pipes, connections, ghosts })
    }

    pub(super) fn take_proc(&mut self, pid: i32) -> Result<Proc> {
        match self.proc.take() {
            Some(proc) if proc.pid == pid => Ok(proc),
            _ => Proc::open(pid),
        }
    }

    fn descriptor(&mut self, proc: &Proc, pidfd: BorrowedFd, fd: i32, text: &str) -> Result<Fd> {
        let pid = proc.pid;
        let info = FdInfo::parse(text).map_err(|line| bad_fdinfo(pid, fd, line))?;
        let at = (pid, fd);
        let place = self
            .known
            .find(info.ino, |other| sys::kcmp_file(other, at))
            .map_err(|errno| Error::of_task(pid, &format!("comparing its fd {fd}"), errno))?;
        let file = match place {
            Place::Found(id) => id,
            Place::Missing(index) => {
                let id = self.describe(proc, pidfd, fd, &info)?;
                self.known.insert(info.ino, index, Known { id, at });
                id
            }
        };
        let known = &mut self.files[file as usize - 1];
        locks::merge(&mut known.locks, &info).map_err(|line| bad_fdinfo(pid, fd, line))?;
        if known.locks.iter().any(|lock| lock.kind == "LEASE") {
            self.ghosts.note_lease(&known.inode);
        }
        Ok(Fd { fd, file, cloexec: info.cloexec })
    }

    /// A description seen for the first time.
    fn describe(
        &mut self,
        proc: &Proc,
        pidfd: BorrowedFd,
        fd: i32,
        info: &FdInfo,
    ) -> Result<FileId> {
        let at = format!("fd/{fd}");
        let failed =
            |what: &str, errno| Error::of_task(proc.pid, &format!("fd {fd}: {what}"), errno);
        let dup = sys::pidfd_getfd(pidfd, fd).map_err(|errno| failed("pidfd_getfd", errno))?;
        let link = link_of(dup.as_fd()).map_err(|error| error.with_pid(proc.pid))?;
        let stat = stat_of(dup.as_fd()).map_err(|errno| failed("statx", errno))?;
        let inode = Inode::new(&stat);
        let d =
            Descriptor { pid: proc.pid, fd, dup: dup.as_fd(), link: &link, inode: &inode, info };
        let (kind, name) = self.shared.describe(&d, proc)?;
        let fown = fown::capture(&d)?;
        self.ghosts.note(&kind, &stat, proc.pid, &at, &link);
        Ok(self.add(File {
            id: 0,
            kind,
            description: true,
            link,
            flags: info.flags,
            pos: Hex(info.pos),
            mnt_id: info.mnt_id,
            inode,
            name,
            fown,
            locks: Vec::new(),
        }))
    }

    pub(super) fn add(&mut self, mut file: File) -> FileId {
        let id = self.files.len() as FileId + 1;
        file.id = id;
        self.files.push(file);
        id
    }
}

fn bad_fdinfo(pid: i32, fd: i32, line: &str) -> Error {
    let what = format!("pid {pid}: fd {fd}: its fdinfo has no valid line '{line}'");
    Error::new(Code::Kernel, what).with_pid(pid).with_object(format!("fd {fd}"))
}
