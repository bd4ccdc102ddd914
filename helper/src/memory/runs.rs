//! Which pages hold data, as runs of neighbours: a million of them in 16 MB.

use super::PAGE;
use serde::ser::{Serialize, SerializeSeq, Serializer};
use std::borrow::Cow;

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

    /// Those that are not clean.
    pub fn dirty(&self) -> Cow<'_, [Run]> {
        match self.0.iter().any(|run| run.clean) {
            true => Cow::Owned(self.0.iter().filter(|run| !run.clean).copied().collect()),
            false => Cow::Borrowed(&self.0),
        }
    }

    /// Pages that are not clean: all, or only those that are not lazy.
    pub fn wanted(&self, lazy_too: bool) -> u64 {
        let wanted = self.0.iter().filter(|run| !run.clean && (lazy_too || !run.lazy));
        wanted.map(|run| u64::from(run.pages)).sum()
    }

    /// Add these pages, which were written; those that are there already are not clean any more.
    pub fn add_written(&mut self, written: &[Run]) {
        self.overlay(written, true);
    }

    /// These pages, where they are there, are not clean.
    pub fn mark_written(&mut self, written: &[Run]) {
        self.overlay(written, false);
    }

    /// Where both are, `over` holds; what lies outside these runs counts only if `all` does.
    fn overlay(&mut self, over: &[Run], all: bool) {
        let mut over = over.iter().peekable();
        let mut at = 0; // all below is done
        for run in std::mem::take(&mut self.0) {
            while let Some(&&next) = over.peek().filter(|next| next.page < run.end()) {
                self.push_part(&run, at.max(run.page), next.page);
                let start = if all { next.page } else { next.page.max(run.page) };
                let end = if all { next.end() } else { next.end().min(run.end()) };
                self.push_part(&Run { clean: false, ..next }, at.max(start), end);
                at = at.max(end);
                if next.end() > end {
                    break; // it may reach into the next run
                }
                over.next();
            }
            self.push_part(&run, at.max(run.page), run.end());
            at = at.max(run.end());
        }
        if all {
            over.for_each(|run| self.push_part(run, at.max(run.page), run.end()));
        }
    }

    /// Add pages from `page` up to `end`, if there are any, of which the same is true as of `run`.
    fn push_part(&mut self, run: &Run, page: u64, end: u64) {
        if page < end {
            self.push(page * PAGE, end * PAGE, (run.lazy, run.clean));
        }
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
        const UNCHANGED: u64 = 4;
        let (lazy, others) = self.copied;
        let mut triples = serializer.serialize_seq(Some(self.runs.len() * 3))?;
        for run in self.runs {
            let copied = !run.clean && if run.lazy { lazy } else { others };
            let bits = [(copied, COPIED), (run.lazy, LAZY), (run.clean, UNCHANGED)];
            let set = bits.iter().filter(|(is_set, _)| *is_set);
            triples.serialize_element(&run.page)?;
            triples.serialize_element(&run.pages)?;
            triples.serialize_element(&set.map(|(_, bit)| bit).sum::<u64>())?;
        }
        triples.end()
    }
}
