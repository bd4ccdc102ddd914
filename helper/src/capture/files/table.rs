//! All files of a tree: each descriptor is told which file it is, each file once.

use super::descriptor::Descriptor;
use super::fact::{Fd, Fds, File, FileId, Inode};
use super::fdinfo::FdInfo;
use super::flight::InFlight;
use super::ghost::{Copies, Ghosts};
use super::kind::Shared;
use super::order::{At, Descriptions, Known, Place};
use super::paths::Paths;
use super::pipe::Pipe;
use super::proc::{link_of, stat_of, Proc};
use super::{epoll, fown, handle, locks, tty};
use crate::error::{Code, Error, Result};
use crate::limit::Limit;
use crate::sys;
use crate::task::Task;
use crate::tcp::Connection;
use crate::value::Hex;
use std::os::fd::{AsFd, OwnedFd};

/// Files of the tree, each told once.
#[derive(Default)]
pub struct FileTable {
    pub(super) files: Vec<File>,
    tables: Vec<Fds>,
    pub(super) in_flight: Vec<InFlight>,
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
    /// To be dropped before the tree runs on.
    pub in_flight: Vec<InFlight>,
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

impl Facts {
    /// What can wait until the tree runs.
    pub fn complete(&mut self) {
        handle::find_names(&mut self.files);
    }
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
            let info = FdInfo::parse(text).map_err(|line| bad_fdinfo(task.pid, fd, line))?;
            let duplicate = || sys::pidfd_getfd(task.pidfd.as_fd(), fd);
            let file = self.file_at(&proc, (task.pid, fd), &info, duplicate)?;
            fds.push(Fd { fd, file, cloexec: info.cloexec });
        }
        self.tables.push(Fds { pid: task.pid, fds });
        self.buffer = buffer;
        self.proc = Some(proc);
        Ok(())
    }

    /// What takes all of the tree's files to tell, still frozen: files in flight, watched files of epolls, peers,
    /// sessions of ttys (`pids`: of all tasks that are no zombies), and copies of deleted files
    /// of at most `ghost_limit` bytes into `folder`, the images folder.
    pub fn finish(
        mut self,
        pids: &[i32],
        folder: &OwnedFd,
        ghost_limit: u64,
        limit: &Limit,
    ) -> Result<Facts> {
        if let Some(&pid) = pids.first() {
            self.follow_rights(pid, limit)?;
        }
        epoll::resolve(&mut self.files, &self.tables, &self.known, limit)?;
        self.shared.unix.resolve(&mut self.files);
        tty::resolve(&mut self.files, pids)?;
        let ghosts = self.ghosts.copy(folder, ghost_limit, limit)?;
        let pipes = self.shared.pipes.facts();
        let connections = self.shared.inet.connections;
        let FileTable { files, tables, in_flight, .. } = self;
        Ok(Facts { files, tables, pipes, in_flight, connections, ghosts })
    }

    pub(super) fn take_proc(&mut self, pid: i32) -> Result<Proc> {
        match self.proc.take() {
            Some(proc) if proc.pid == pid => Ok(proc),
            _ => Proc::open(pid),
        }
    }

    /// The file that a descriptor is of. `at`: where that is open: in a task, or one of our own that
    /// travelled to a socket of `proc`'s; `duplicate` gives one to look at, if it is new.
    pub(super) fn file_at(
        &mut self,
        proc: &Proc,
        at: At,
        info: &FdInfo,
        duplicate: impl FnOnce() -> nix::Result<OwnedFd>,
    ) -> Result<FileId> {
        let (pid, fd) = (proc.pid, at.1);
        let failed = |what: &str, errno| Error::of_task(pid, &format!("fd {fd}: {what}"), errno);
        let place = self
            .known
            .find(info.ino, |other| sys::kcmp_file(other, at))
            .map_err(|errno| failed("kcmp", errno))?;
        let file = match place {
            Place::Found(id) => id,
            Place::Missing(index) => {
                let dup = duplicate().map_err(|errno| failed("pidfd_getfd", errno))?;
                let id = self.describe(proc, at, dup, info)?;
                self.known.insert(info.ino, index, Known { id, at });
                id
            }
        };
        let known = &mut self.files[file as usize - 1];
        locks::merge(&mut known.locks, info).map_err(|line| bad_fdinfo(pid, fd, line))?;
        if known.locks.iter().any(|lock| lock.kind == "LEASE") {
            self.ghosts.note_lease(&known.inode);
        }
        Ok(file)
    }

    /// A description seen for the first time.
    fn describe(&mut self, proc: &Proc, at: At, dup: OwnedFd, info: &FdInfo) -> Result<FileId> {
        let fd = (at.0 == proc.pid).then_some(at.1);
        let failed = |what: &str, errno| Error::of_task(proc.pid, what, errno);
        let link = link_of(dup.as_fd()).map_err(|error| error.with_pid(proc.pid))?;
        let stat =
            stat_of(dup.as_fd()).map_err(|errno| failed(&format!("{link}: statx"), errno))?;
        let inode = Inode::new(&stat);
        let d =
            Descriptor { pid: proc.pid, fd, dup: dup.as_fd(), link: &link, inode: &inode, info };
        let (kind, name) = self.shared.describe(&d, proc)?;
        let fown = fown::capture(&d)?;
        self.ghosts.note(&kind, &stat, at.0, &format!("fd/{}", at.1), &link);
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
