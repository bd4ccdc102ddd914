//! The kernel's own mounts, which no folder shows: shared memory lives on one of tmpfs, huge pages
//! on one of hugetlbfs for each size. A mapping's device tells that it belongs to one of them;
//! its name does not, since a file may be called "/dev/zero (deleted)".

use crate::error::{Code, Error, Result};
use nix::sys::memfd::{memfd_create, MFdFlags};
use nix::sys::stat::fstat;

/// Their device numbers, as in `st_dev`.
pub struct KernelMounts {
    shmem: u64,
    /// Device, and log2 of the size of its pages in bytes.
    pub hugetlb: Vec<(u64, u32)>,
}

impl KernelMounts {
    /// A memfd lives on them too: make one of each kind and look. Needs no free huge page.
    pub fn find() -> Result<Self> {
        let device = |flags| {
            let fd = memfd_create(c"ckpt", flags | MFdFlags::MFD_CLOEXEC)?;
            fstat(&fd).map(|stat| stat.st_dev)
        };
        let shmem = device(MFdFlags::empty())
            .map_err(|e| Error::new(Code::Kernel, format!("making a memfd: {}", e.desc())))?;
        let hugetlb = (14..=34).filter_map(|log2: u32| {
            let size = MFdFlags::from_bits_retain(log2 << 26); // MFD_HUGE_SHIFT
            Some((device(MFdFlags::MFD_HUGETLB | size).ok()?, log2))
        });
        Ok(KernelMounts { shmem, hugetlb: hugetlb.collect() })
    }

    pub fn is_shmem(&self, dev: u64) -> bool {
        dev == self.shmem
    }

    pub fn is_hugetlb(&self, dev: u64) -> bool {
        self.hugetlb.iter().any(|&(hugetlb, _)| hugetlb == dev)
    }
}
