//! The files that page data goes to: made anew in the images folder, removed if the dump fails.

use super::PAGE;
use crate::error::{Code, Error, Result};
use nix::errno::Errno;
use nix::fcntl::{copy_file_range, fallocate, open, openat, FallocateFlags, OFlag};
use nix::sys::stat::Mode;
use nix::unistd::{unlinkat, UnlinkatFlags};
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// One file of page data.
pub struct PagesFile {
    pub name: String,
    file: File,
}

impl PagesFile {
    /// Errors: `NoSpace`, `Write`.
    pub fn write(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.file.write_all_at(bytes, offset).map_err(|e| {
            self.failed("writing", e.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
        })
    }

    /// Fill `bytes` from there. Errors: `Write`.
    pub fn read(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        self.file.read_exact_at(bytes, offset).map_err(|e| {
            self.failed("reading", e.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
        })
    }

    /// Copy `length` bytes into another file, from and to these offsets; without a detour through
    /// our memory, and where the file system can, by sharing them.
    ///
    /// Errors: `NoSpace`, `Write`.
    pub fn copy_to(
        &self,
        other: &PagesFile,
        (mut from, mut to): (u64, u64),
        length: u64,
    ) -> Result<()> {
        let mut left = length as usize;
        while left > 0 {
            let (mut start, mut at) = (from as i64, to as i64);
            match copy_file_range(&self.file, Some(&mut start), &other.file, Some(&mut at), left) {
                Ok(0) => return Err(other.failed("copying into", Errno::EIO)),
                Ok(done) => {
                    left -= done;
                    (from, to) = (start as u64, at as u64);
                }
                Err(errno) => return Err(other.failed("copying into", errno)),
            }
        }
        Ok(())
    }

    /// Make it exactly this long, in bytes.
    pub fn truncate(&self, length: u64) -> Result<()> {
        nix::unistd::ftruncate(&self.file, length as i64).map_err(|e| self.failed("writing", e))
    }

    /// Set space aside, so that a disk that is too small shows before the target is stopped, and
    /// the pause does not pay for it: a third of the time that writing to tmpfs takes.
    fn allocate(&self, length: u64) -> Result<()> {
        match fallocate(&self.file, FallocateFlags::empty(), 0, length as i64) {
            Ok(()) => Ok(()),
            Err(e @ (Errno::ENOSPC | Errno::EDQUOT)) => {
                let failed = self.failed("making room for", e);
                Err(failed.with_remedy(format!("{} MiB have to be free", length >> 20)))
            }
            Err(_) => Ok(()), // not every file system can
        }
    }

    fn failed(&self, doing: &str, errno: Errno) -> Error {
        let code = match errno {
            Errno::ENOSPC | Errno::EDQUOT => Code::NoSpace,
            _ => Code::Write,
        };
        let mut error = Error::new(code, format!("{doing} {}: {}", self.name, errno.desc()));
        error.errno = Some(errno as i32);
        error.with_object(&*self.name)
    }
}

/// All of a dump. Dropped without `keep`, the files are removed.
pub struct PagesFiles {
    folder: OwnedFd,
    /// `{}` stands for the number.
    template: String,
    made: Vec<String>,
    /// How many were made, those that were discarded included.
    count: u32,
    /// Made before the freeze for a process, to be taken under it.
    ready: HashMap<i32, PagesFile>,
}

impl PagesFiles {
    /// Errors: `ImagesDir`.
    pub fn open(images_dir: &Path, template: &str) -> Result<Self> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let folder = open(images_dir, flags, Mode::empty()).map_err(|errno| {
            let what = format!("opening {}: {}", images_dir.display(), errno.desc());
            Error::new(Code::ImagesDir, what)
        })?;
        let template = template.to_owned();
        Ok(PagesFiles { folder, template, made: Vec::new(), count: 0, ready: HashMap::new() })
    }

    /// Make the file of a process, with room for so many pages.
    pub fn prepare(&mut self, pid: i32, pages: u64) -> Result<()> {
        let file = self.create()?;
        if pages > 0 {
            file.allocate(pages * PAGE)?;
        }
        self.ready.insert(pid, file);
        Ok(())
    }

    /// The file that was made for a process, or a new one.
    pub fn take(&mut self, pid: i32) -> Result<PagesFile> {
        self.ready.remove(&pid).map_or_else(|| self.create(), Ok)
    }

    /// A new file. Errors: `ImagesDir`, `NoSpace`.
    pub fn create(&mut self) -> Result<PagesFile> {
        self.count += 1;
        let name = self.template.replace("{}", &self.count.to_string());
        let new = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL;
        let flags = new | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(&self.folder, &*name, flags, Mode::S_IRUSR | Mode::S_IWUSR);
        let file = file.map_err(|errno| {
            let code = match errno {
                Errno::ENOSPC | Errno::EDQUOT => Code::NoSpace,
                _ => Code::ImagesDir,
            };
            Error::new(code, format!("making {name}: {}", errno.desc())).with_object(&*name)
        })?;
        self.made.push(name.clone());
        Ok(PagesFile { name, file: file.into() })
    }

    /// Remove a file that is not needed any more.
    pub fn discard(&mut self, file: &PagesFile) {
        self.made.retain(|name| *name != file.name);
        let _ = unlinkat(&self.folder, &*file.name, UnlinkatFlags::NoRemoveDir);
    }

    /// The dump is good: what was taken stays, what was made in vain goes.
    pub fn keep(mut self) {
        let in_vain: Vec<String> = self.ready.drain().map(|(_, file)| file.name).collect();
        self.made.retain(|name| in_vain.contains(name));
    }
}

impl Drop for PagesFiles {
    fn drop(&mut self) {
        for name in &self.made {
            let _ = unlinkat(&self.folder, &**name, UnlinkatFlags::NoRemoveDir);
        }
    }
}
