//! Which pages hold data, as runs of neighbours: a million of them in 16 MB.

use super::PAGE;
use serde::ser::{Serialize, SerializeSeq, Serializer};

/// Consecutive pages of which the same is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Number of the first: address, or offset in a segment, divided by the page size.
    pub page: u64,
    pub pages: u32,
    /// A restore can bring them in late, by a userfaultfd.
    pub lazy: bool,
    /// Not written since it was protected (tracker.rs). Never in memory that is not tracked.
    pub clean: bool,
}

impl Run {
    /// Number of the page after its last.
    pub fn end(&self) -> u64 {
        self.page + u64::from(self.pages)
    }
}

/// Runs in ascending order; neighbours that are alike are one.
#[derive(Default)]
pub struct Runs(Vec<Run>);

impl Runs {
    /// Add pages, given in bytes, that lie above all others.
    pub fn push(&mut self, start: u64, end: u64, (lazy, clean): (bool, bool)) {
        let (mut page, end) = (start / PAGE, end / PAGE);
        if let Some(last) = self.0.last_mut() {
            let grown = end - last.page;
            let touches = last.end() == page;
            if touches && (last.lazy, last.clean) == (lazy, clean) && grown <= u64::from(u32::MAX) {
                last.pages = grown as u32;
                return;
            }
        }
        while page < end {
            let pages = (end - page).min(u64::from(u32::MAX)) as u32;
            self.0.push(Run { page, pages, lazy, clean });
            page += u64::from(pages);
        }
    }

    pub fn as_slice(&self) -> &[Run] {
        &self.0
    }

    /// Empty, the memory kept, and some in reserve: to be filled anew without a page fault.
    pub fn emptied(mut self) -> Self {
        let reserve = self.0.len() / 8 + 512;
        self.0.reserve_exact(reserve);
        self.0.resize(self.0.len() + reserve, Run { page: 0, pages: 0, lazy: false, clean: false });
        self.0.clear();
        self
    }

    /// Pages that are clean.
    pub fn clean_pages(&self) -> u64 {
        self.0.iter().filter(|run| run.clean).map(|run| u64::from(run.pages)).sum()
    }

    /// Those that are clean.
    pub fn clean(&self) -> Vec<Run> {
        self.0.iter().filter(|run| run.clean).copied().collect()
    }

    /// Those that are not.
    pub fn dirty(&self) -> Vec<Run> {
        self.0.iter().filter(|run| !run.clean).copied().collect()
    }

    /// The same pages, once all have been copied: that they were clean matters no more.
    pub fn settle(&mut self) {
        let runs = std::mem::take(&mut self.0);
        for run in runs {
            let end = run.page + u64::from(run.pages);
            self.push(run.page * PAGE, end * PAGE, (run.lazy, false));
        }
    }

    /// These, but for pages of theirs that are `left_out`.
    pub fn without(&self, left_out: &Runs) -> Self {
        let mut rest = Runs::default();
        let mut push = |run: &Run, from: u64, to: u64| {
            if from < to {
                rest.push(from * PAGE, to * PAGE, (run.lazy, run.clean));
            }
        };
        let mut gaps = left_out.0.iter().peekable();
        let mut page = 0; // all before are told
        for run in &self.0 {
            page = page.max(run.page);
            while let Some(gap) = gaps.next_if(|gap| gap.page < run.end()) {
                push(run, page, gap.page);
                page = gap.end();
            }
            push(run, page, run.end());
        }
        rest
    }

    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Pages, all together.
    pub fn pages(&self) -> u64 {
        self.0.iter().map(|run| u64::from(run.pages)).sum()
    }

    /// Pages that are lazy.
    pub fn lazy_pages(&self) -> u64 {
        self.0.iter().filter(|run| run.lazy).map(|run| u64::from(run.pages)).sum()
    }
}

/// Runs as a frame carries them: flat triples of first page, pages, and bits.
pub struct Triples<'a> {
    pub runs: &'a [Run],
    /// Bit 1: the bytes of lazy runs, of the others, were copied.
    pub copied: (bool, bool),
}

impl Serialize for Triples<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const COPIED: u64 = 1;
        const LAZY: u64 = 2;
        let (lazy, others) = self.copied;
        let mut triples = serializer.serialize_seq(Some(self.runs.len() * 3))?;
        for run in self.runs {
            let copied = if run.lazy { lazy } else { others };
            triples.serialize_element(&run.page)?;
            triples.serialize_element(&run.pages)?;
            triples.serialize_element(
                &(if copied { COPIED } else { 0 } + if run.lazy { LAZY } else { 0 }),
            )?;
        }
        triples.end()
    }
}
