//! Files that are no open description: executed, mapped, a task's cwd or root.

use super::fact::{File, FileId, Inode, Kind};
use super::name::Name;
use super::proc::Proc;
use super::table::FileTable;
use super::{kind, memfd};
use crate::error::{Error, Result};
use crate::value::Hex;
use std::collections::HashMap;
use std::os::fd::AsFd;

/// Which of a task's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathOf {
    Exe,
    Cwd,
    Root,
    /// The mapping [start, end) as /proc/PID/maps shows it; `writable`: shared and may be written
    /// (VmFlags sh mw), so that it takes an O_RDWR description to map it again.
    Mapped {
        start: u64,
        end: u64,
        writable: bool,
    },
}

/// Device, inode, name, access mode.
type PathKey = (u64, u64, String, u32);

#[derive(Default)]
pub struct Paths {
    known: HashMap<PathKey, FileId>,
    /// The same by what maps tells, which is at hand without asking.
    mapped: HashMap<PathKey, FileId>,
}

impl FileTable {
    /// The file behind one of a task's paths, one id for the same inode under the same name.
    pub fn path_file(&mut self, pid: i32, which: PathOf) -> Result<FileId> {
        let proc = self.take_proc(pid)?;
        let id = self.path(&proc, which);
        self.proc = Some(proc);
        id
    }

    /// The file behind a mapping, of which /proc/PID/maps tells `dev`, `ino` and `name`: what was
    /// mapped before is known by these at once, and a name that leads to that inode tells the rest.
    pub fn mapped_file(
        &mut self,
        pid: i32,
        mapped: PathOf,
        (dev, ino, name): (u64, u64, &str),
    ) -> Result<FileId> {
        let key = (dev, ino, name.to_owned(), mapped.flags());
        if let Some(&id) = self.paths.mapped.get(&key) {
            return Ok(id);
        }
        let proc = self.take_proc(pid)?;
        let found = Name::lookup(&proc, name).filter(|(stat, _)| {
            let inode = Inode::new(stat);
            (inode.dev, inode.ino.0) == (dev, ino)
        });
        let id = match found {
            Some((stat, found)) => {
                self.path_known(name, &stat, mapped.flags(), Kind::Regular, found)
            }
            None => self.path(&proc, mapped)?,
        };
        self.proc = Some(proc);
        self.paths.mapped.insert(key, id);
        Ok(id)
    }

    fn path(&mut self, proc: &Proc, which: PathOf) -> Result<FileId> {
        let at = which.link();
        let link = proc.link(&at)?;
        let stat = proc.stat(&at)?;
        let inode = Inode::new(&stat);
        let kind = match link.starts_with("/memfd:") {
            true => memfd_or_file(proc, &at, &link, &inode)?,
            false => kind::of_path(&link, &inode),
        };
        let name = match kind {
            Kind::Memfd(_) | Kind::Other {} => Name::default(),
            _ => Name::find(proc, &link, &inode)?,
        };
        self.ghosts.note(&kind, &stat, proc.pid, &at, &link);
        Ok(self.path_known(&link, &stat, which.flags(), kind, name))
    }

    /// The id of a path of which all is known by now.
    fn path_known(
        &mut self,
        link: &str,
        stat: &libc::statx,
        flags: u32,
        kind: Kind,
        name: Name,
    ) -> FileId {
        let inode = Inode::new(stat);
        let key = (inode.dev, inode.ino.0, link.to_owned(), flags);
        if let Some(&id) = self.paths.known.get(&key) {
            return id;
        }
        let id = self.add(File {
            id: 0,
            kind,
            description: false,
            link: link.to_owned(),
            flags,
            pos: Hex(0),
            mnt_id: stat.stx_mnt_id as u32,
            inode,
            name,
            fown: None,
            locks: Vec::new(),
        });
        self.paths.known.insert(key, id);
        id
    }
}

impl PathOf {
    /// The link below /proc/PID.
    fn link(self) -> String {
        match self {
            PathOf::Exe => "exe".to_owned(),
            PathOf::Cwd => "cwd".to_owned(),
            PathOf::Root => "root".to_owned(),
            PathOf::Mapped { start, end, .. } => format!("map_files/{start:x}-{end:x}"),
        }
    }

    /// What it takes to open it again.
    fn flags(self) -> u32 {
        match self {
            PathOf::Mapped { writable: true, .. } => libc::O_RDWR as u32,
            _ => libc::O_RDONLY as u32,
        }
    }
}

fn memfd_or_file(proc: &Proc, at: &str, link: &str, inode: &Inode) -> Result<Kind> {
    let memfd = proc.reopen(at).and_then(|fd| memfd::capture(fd.as_fd(), link, inode));
    let memfd = memfd.map_err(|errno| {
        Error::of_task(proc.pid, &format!("asking the seals of {link}"), errno).with_object(link)
    })?;
    Ok(memfd.map_or_else(|| kind::of_path(link, inode), Kind::Memfd))
}
