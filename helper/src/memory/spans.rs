//! What has to be looked for in which part of an address space. The pages to dump are CRIU's:
//! of private mappings those that hold data of the process's own, of a few special ones all.

use super::PAGE;
use crate::capture::vma::Vma;

/// What makes a page one to dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing does. The kernel's own; and memory of devices (VM_IO, VM_PFNMAP), which whoever sees
    /// the mapping's flags refuses.
    Nothing,
    /// Nothing: all pages are. The vdso, as a restore may need its code; an aio ring.
    Everything,
    /// It is present or swapped, and not the kernel's zero page.
    Anonymous,
    /// The same, and it is not the file's own page but a private copy. Asking for that makes the
    /// kernel look at every struct page: five times the cost.
    File,
    /// Nothing is dumped; but guards (MADV_GUARD_INSTALL) are there to be told of.
    Guards,
}

/// A range of addresses and what to look for there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: u64,
    pub end: u64,
    pub look: Look,
    /// Its pages can be brought in late, by a userfaultfd.
    pub lazy: bool,
}

impl Span {
    /// Its pages, if any of them may have to be dumped.
    pub fn pages_of_data(&self) -> u64 {
        match self.look {
            Look::Nothing | Look::Guards => 0,
            _ => (self.end - self.start) / PAGE,
        }
    }
}

/// The spans of an address space, ascending, a mapping each.
pub fn spans(vmas: &[Vma]) -> Vec<Span> {
    vmas.iter().map(span).collect()
}

/// The same with fewer system calls: neighbours that are alike are one, across gaps too, and there
/// are none where there is nothing to look for.
pub fn joined(spans: &[Span]) -> Vec<Span> {
    let alike = |a: &Span, b: &Span| (a.look, a.lazy) == (b.look, b.lazy);
    let join = |like: &[Span]| Span { end: like[like.len() - 1].end, ..like[0] };
    // Joined across a gap, "everything" would be more than there is.
    let chunks = spans.chunk_by(|a, b| alike(a, b) && a.look != Look::Everything);
    chunks.map(join).filter(|span| span.look != Look::Nothing).collect()
}

fn span(vma: &Vma) -> Span {
    let look = look(vma);
    let late = !vma.has("lo") && !vma.has("ss");
    let lazy = late && look == Look::Anonymous;
    Span { start: vma.start.0, end: vma.end.0, look, lazy }
}

/// What to look for in a mapping.
pub fn look(vma: &Vma) -> Look {
    const KERNELS_OWN: [&str; 4] = ["[vvar]", "[vvar_vclock]", "[vsyscall]", "[uprobes]"];
    let (mut device, mut droppable) = (false, false);
    for flag in vma.vmflags.split(' ') {
        match flag {
            "io" | "pf" => device = true,
            "dp" => droppable = true, // MAP_DROPPABLE: the kernel may drop its pages at any time
            _ => {}
        }
    }
    match &*vma.name {
        name if device || KERNELS_OWN.contains(&name) => Look::Nothing,
        "[vdso]" => Look::Everything,
        _ if vma.is_aio_ring() => Look::Everything,
        _ if vma.is_shared() || droppable => Look::Guards,
        _ if vma.has_file() => Look::File,
        _ => Look::Anonymous,
    }
}
