//! Mappings of an address space: what /proc/PID/maps and smaps say, and what is behind each.

mod before;
mod maps;
mod mounts;
#[cfg(test)]
mod tests;

pub use before::Before;
pub use maps::{glance, Smaps};
pub use mounts::KernelMounts;

use super::files::FileId;
use crate::error::Result;
use crate::proc;
use crate::value::Hex;
use serde::Serialize;

/// What kind of memory a tmpfs or hugetlbfs file that no one can see in any folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ShmemKind {
    /// mmap(2) MAP_SHARED | MAP_ANONYMOUS, or of /dev/zero: the kernel makes no difference.
    Anon,
    /// shmget(2).
    Sysv,
    /// memfd_create(2).
    Memfd,
}

/// One mapping. docs/protocol.md, "vmas".
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Vma {
    pub start: Hex,
    pub end: Hex,
    /// As in maps: `rw-p`.
    pub perms: String,
    /// Bytes.
    pub pgoff: Hex,
    pub dev: u64,
    pub ino: Hex,
    /// The last column of maps.
    pub name: String,
    /// VmFlags of smaps: `rd wr mr mw me ac sd`.
    pub vmflags: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shmem: Option<Hex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shmem_kind: Option<ShmemKind>,
}

impl Vma {
    /// MAP_SHARED, be it a read-only one.
    pub fn is_shared(&self) -> bool {
        self.perms.ends_with('s')
    }

    /// Has this VmFlag, two letters. proc_pid_smaps(5), Documentation/filesystems/proc.rst.
    pub fn has(&self, flag: &str) -> bool {
        self.vmflags.split(' ').any(|f| f == flag)
    }

    /// There is a struct file behind it: a file's mapping, shared memory, or huge pages.
    pub fn has_file(&self) -> bool {
        self.dev != 0 || self.ino.0 != 0
    }

    #[cfg(test)]
    pub fn pages(&self) -> u64 {
        (self.end.0 - self.start.0) / crate::memory::PAGE
    }

    /// The ring of an aio context, io_setup(2).
    pub fn is_aio_ring(&self) -> bool {
        self.is_shared() && self.name.starts_with("/[aio]")
    }

    /// MAP_ANONYMOUS | MAP_HUGETLB, which the kernel backs by a file of a mount of its own.
    fn is_anonymous_hugetlb(&self, mounts: &KernelMounts) -> bool {
        mounts.is_hugetlb(self.dev) && self.name.starts_with("/anon_hugepage")
    }

    /// Find out whether it is shared memory, and which.
    pub fn find_shmem(&mut self, mounts: &KernelMounts) {
        self.shmem_kind = self.shmem_kind(mounts);
        self.shmem = self.shmem_kind.map(|_| self.ino);
    }

    fn shmem_kind(&self, mounts: &KernelMounts) -> Option<ShmemKind> {
        if !mounts.is_shmem(self.dev) && !mounts.is_hugetlb(self.dev) {
            return None;
        }
        if self.name.starts_with("/memfd:") {
            return Some(ShmemKind::Memfd);
        }
        let sysv = self.name.starts_with("/SYSV");
        self.is_shared().then_some(if sysv { ShmemKind::Sysv } else { ShmemKind::Anon })
    }

    /// Whether a path or a memfd has to be opened to map it again.
    fn maps_a_file(&self, mounts: &KernelMounts) -> bool {
        match self.shmem_kind {
            Some(kind) => kind == ShmemKind::Memfd,
            None => self.has_file() && !self.is_anonymous_hugetlb(mounts) && !self.is_aio_ring(),
        }
    }
}

/// The mappings of one address space, as they were under the freeze.
pub struct Mappings {
    pub pid: i32,
    pub vmas: Vec<Vma>,
    /// The VmFlags of before the freeze, where those were taken, and the lines of maps under it.
    assumed: Option<(Smaps, String)>,
}

impl Mappings {
    /// Capture the mappings of a stopped task. VmFlags are taken from `before` if that knows every
    /// line of maps as it is now; else they are read now, which is exact and walks every page.
    ///
    /// `tracked`: a userfaultfd of ours is registered there, which is no fact of the task.
    /// `file_of` names the file behind a mapping; neighbours that map the same file ask once.
    /// Errors: `TargetGone`, `Permission`, `Kernel`, those of `file_of`.
    pub fn capture(
        (pid, tracked): (i32, bool),
        before: &mut Before,
        mounts: &KernelMounts,
        file_of: &mut dyn FnMut(i32, &Vma) -> Result<FileId>,
    ) -> Result<Self> {
        let text = proc::text(pid, "maps")?;
        let assumed = before.take(pid).filter(|smaps| smaps.knows_all(&text));
        let exact = if assumed.is_none() { Some(Smaps::read(pid)?) } else { None };
        let smaps = assumed.as_ref().or(exact.as_ref());
        let mut vmas: Vec<Vma> = Vec::new();
        for line in text.lines() {
            let mut vma = maps::parse(pid, line)?;
            vma.vmflags = smaps.and_then(|smaps| smaps.flags(line)).unwrap_or_default().into();
            if tracked {
                vma.vmflags = maps::own_flags(&vma.vmflags).collect::<Vec<_>>().join(" ");
            }
            vma.find_shmem(mounts);
            if vma.maps_a_file(mounts) {
                let same = vmas.last().filter(|last| maps_same_file(last, &vma));
                vma.file = match same.and_then(|last| last.file) {
                    Some(file) => Some(file),
                    None => Some(file_of(pid, &vma)?),
                };
            }
            vmas.push(vma);
        }
        Ok(Mappings { pid, vmas, assumed: assumed.map(|smaps| (smaps, text)) })
    }

    /// After the thaw: check that what was taken from before the freeze is what there is now.
    ///
    /// Errors: `TargetChanged` where it is not, or where nobody can tell any more: a mapping went,
    /// the process ended. To capture again without `before` is sure to succeed.
    pub fn confirm(&self) -> Result<()> {
        match &self.assumed {
            Some((smaps, maps)) => smaps.confirm(self.pid, maps),
            None => Ok(()),
        }
    }
}

/// Neighbours that map one file in one way need not ask twice what it is.
fn maps_same_file(a: &Vma, b: &Vma) -> bool {
    let way = |vma: &Vma| (vma.is_shared(), vma.has("sh"), vma.has("mw"));
    (a.dev, a.ino, &a.name) == (b.dev, b.ino, &b.name) && way(a) == way(b)
}
