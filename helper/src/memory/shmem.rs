//! Segments of shared memory: anonymous, SysV, memfd. Their content is in the segment, whoever maps
//! how much of it and whatever is in anybody's page tables, so that is where it is read: once a
//! tree, from the file behind it, whose holes are pages that were never written.

use super::runs::Runs;
use super::PAGE;
use crate::capture::vma::Vma;
use crate::error::{Code, Error, Result};
use crate::limit::Limit;
use crate::proc;
use nix::errno::Errno;
use nix::unistd::{lseek, Whence};
use std::collections::btree_map::{BTreeMap, Entry};
use std::fs::File;

pub struct Segment {
    pub ino: u64,
    dev: u64,
    pub file: File,
    /// Bytes, whether or not all are mapped.
    pub size: u64,
    pub runs: Runs,
}

impl Segment {
    /// What a link of /proc/PID leads to, which `name` names for people.
    fn open(pid: i32, link: &str, name: &str, (dev, ino): (u64, u64)) -> Result<Self> {
        let file = File::open(format!("/proc/{pid}/{link}"));
        let sized = file.and_then(|file| file.metadata().map(|metadata| (metadata.len(), file)));
        let (size, file) = sized.map_err(|e| {
            Error::of_task(pid, "opening shared memory", proc::errno(&e))
                .with_object(format!("{link} -> {name}"))
        })?;
        Ok(Segment { ino, dev, file, size, runs: Runs::default() })
    }
}

/// The segments of a tree, by inode: that is what images know them by.
#[derive(Default)]
pub struct Segments(BTreeMap<u64, Segment>);

impl Segments {
    /// Note the segment behind a mapping of a stopped task, if there is one.
    pub fn add_mapping(&mut self, pid: i32, vma: &Vma) -> Result<()> {
        if vma.shmem.is_none() {
            return Ok(());
        }
        let link = format!("map_files/{:x}-{:x}", vma.start.0, vma.end.0);
        self.add(pid, &link, &vma.name, (vma.dev, vma.ino.0))
    }

    /// Note a memfd that is open as `fd`, mapped or not; its device and inode.
    pub fn add_memfd(&mut self, pid: i32, fd: i32, inode: (u64, u64)) -> Result<()> {
        self.add(pid, &format!("fd/{fd}"), "memfd", inode)
    }

    fn add(&mut self, pid: i32, link: &str, name: &str, (dev, ino): (u64, u64)) -> Result<()> {
        let segment = match self.0.entry(ino) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Segment::open(pid, link, name, (dev, ino))?),
        };
        if segment.dev != dev {
            let what = format!("pid {pid}: two segments of shared memory share the inode {ino}");
            let error = Error::new(Code::UnsupportedObject, what).with_pid(pid);
            return Err(error.with_object(format!("{link} -> {name}")));
        }
        Ok(())
    }

    /// Find the pages that hold data, swapped ones too.
    pub fn scan(&mut self, limit: &Limit) -> Result<()> {
        for segment in self.0.values_mut() {
            segment.runs = data(&segment.file, segment.size, limit)?;
        }
        Ok(())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Segment> {
        self.0.values()
    }
}

/// The pages of a file that are no hole, up to `size` bytes. hugetlbfs knows no holes.
fn data(file: &File, size: u64, limit: &Limit) -> Result<Runs> {
    let mut runs = Runs::default();
    let mut end = 0;
    while end < size {
        limit.check()?;
        let start = match lseek(file, end as i64, Whence::SeekData) {
            Ok(start) => start as u64 / PAGE * PAGE,
            Err(Errno::ENXIO) => break,
            Err(errno) => return Err(failed(errno)),
        };
        if start >= size {
            break;
        }
        let hole = lseek(file, start as i64, Whence::SeekHole).map_err(failed)? as u64;
        end = hole.min(size).next_multiple_of(PAGE);
        runs.push(start, end, (false, false));
    }
    Ok(runs)
}

pub fn failed(errno: Errno) -> Error {
    let mut error = Error::new(Code::Kernel, format!("reading shared memory: {}", errno.desc()));
    error.errno = Some(errno as i32);
    error
}
