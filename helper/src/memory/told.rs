//! How a `Memory` is told: frames and counts.

use super::facts::{self, Owner};
use super::scan::Pages;
use super::shmem::Segment;
use super::{Memory, Space};
use crate::value::Hex;
use crate::wire::PageCopy;
use serde::Serialize;

/// Counts of pages. docs/protocol.md, "captured".
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Totals {
    /// Of mappings that were looked through for data.
    pub scanned: u64,
    /// Pages that hold data, of processes.
    pub present: u64,
    /// Of these, those that are lazy.
    pub lazy: u64,
    pub copied: u64,
    /// Left out, and not among the others: all zeros, as a restore makes them by itself.
    pub zero: u64,
    pub shmem_copied: u64,
}

impl Totals {
    pub(super) fn of<'a>(spaces: impl Iterator<Item = &'a Pages>) -> Self {
        spaces.fold(Totals::default(), |totals, pages| Totals {
            scanned: totals.scanned + pages.scanned,
            present: totals.present + pages.runs.pages(),
            lazy: totals.lazy + pages.runs.lazy_pages(),
            ..totals
        })
    }
}

impl Memory {
    /// The frames of kind vmas.
    pub fn vmas_frames(&self) -> impl Iterator<Item = facts::Vmas<'_>> {
        self.spaces.iter().flat_map(|Space { mappings, pages, .. }| {
            facts::vmas(mappings.pid, &mappings.vmas, pages.guards.as_deref())
        })
    }

    /// The frames of kind shmem.
    pub fn shmem_frames(&self) -> impl Iterator<Item = facts::Shmem<'_>> {
        self.segments().map(|(segment, pages_file)| facts::Shmem {
            ino: Hex(segment.ino),
            size: Hex(segment.size),
            pages_file,
        })
    }

    /// The frames of kind pagemap.
    pub fn pagemap_frames(&self) -> impl Iterator<Item = facts::Pagemap<'_>> {
        let copied = (self.copy == PageCopy::All, self.copy != PageCopy::None);
        let spaces = self.spaces.iter().flat_map(move |space| {
            let file = space.file.as_deref();
            let owner = Owner::Pid(space.mappings.pid);
            facts::pagemap(owner, file, space.pages.runs.as_slice(), copied)
        });
        let segments = self.segments().flat_map(move |(segment, file)| {
            facts::pagemap(Owner::Shmem(Hex(segment.ino)), file, segment.runs.as_slice(), copied)
        });
        spaces.chain(segments)
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = (&Segment, Option<&str>)> {
        let files = self.segment_files.iter().map(|name| Some(&**name));
        self.segments.iter().zip(files.chain(std::iter::repeat(None)))
    }

    pub fn totals(&self) -> Totals {
        let found = Totals::of(self.spaces.iter().map(|space| &space.pages));
        let Totals { scanned, present, lazy, .. } = found;
        Totals { scanned, present, lazy, ..self.totals }
    }

    /// The kernel's own mounts of huge pages: device, log2 of the size of a page.
    pub fn hugetlb(&self) -> &[(u64, u32)] {
        &self.mounts.hugetlb
    }
}
