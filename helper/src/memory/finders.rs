//! Threads that look for pages side by side: to walk a GiB of page tables takes one of them 3 ms,
//! and the target waits.

use super::scan::{each_region, query_of, Target};
use super::spans::{self, Look, Span};
use super::PAGE;
use crate::error::{Code, Error, Result};
use crate::sys::PageRegion;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Bytes of address space that are looked through at a time: half a millisecond's work, where a
/// thread takes 50 us to start.
const PART: u64 = 32768 * PAGE;

/// Parts for each further thread to be worth its start.
const SHARE: usize = 2;

/// Regions that the kernel tells a thread at a time.
const WINDOW: usize = 8 << 10;

/// One thread's findings. The memory is kept from scan to scan: the rehearsal takes it.
#[derive(Default)]
struct Finder {
    /// What the kernel fills.
    window: Vec<PageRegion>,
    found: Vec<PageRegion>,
    /// Which parts it looked through, and where in `found` their regions are.
    parts: Vec<(usize, Range<usize>)>,
}

pub struct Finders(Vec<Finder>);

impl Finders {
    pub fn new(threads: u64) -> Self {
        Finders((0..threads).map(|_| Finder::default()).collect())
    }

    /// Whether it is worth while to look through these parts side by side.
    pub fn are_worth(&self, parts: &[Span]) -> bool {
        self.0.len() > 1 && parts.len() >= 2 * SHARE
    }

    /// Look through all parts, and `tell` of their regions in order; of a part that needs no look,
    /// None.
    ///
    /// Errors: those of `each_region`.
    pub fn look(
        &mut self,
        target: &Target,
        parts: &[Span],
        how: (bool, bool),
        tell: &mut dyn FnMut(&Span, Option<&PageRegion>),
    ) -> Result<()> {
        let next = AtomicUsize::new(0);
        let count = self.0.len().min(parts.len() / SHARE).max(1);
        let (first, others) = self.0[..count].split_at_mut(1);
        thread::scope(|scope| {
            let start = |finder| scope.spawn(|| Finder::look(finder, target, parts, (how, &next)));
            let others: Vec<_> = others.iter_mut().map(start).collect();
            let mut result = first[0].look(target, parts, (how, &next));
            for other in others {
                let panicked = || Error::new(Code::Internal, "a thread looking for pages panicked");
                result = result.and(other.join().unwrap_or_else(|_| Err(panicked())));
            }
            result
        })?;
        self.tell(parts, count, tell);
        Ok(())
    }

    fn tell(&self, parts: &[Span], count: usize, tell: &mut dyn FnMut(&Span, Option<&PageRegion>)) {
        let mut whose = vec![None; parts.len()];
        for finder in &self.0[..count] {
            for (part, range) in &finder.parts {
                whose[*part] = Some(&finder.found[range.clone()]);
            }
        }
        for (part, regions) in parts.iter().zip(whose) {
            match regions {
                Some(regions) => regions.iter().for_each(|region| tell(part, Some(region))),
                None => tell(part, None),
            }
        }
    }
}

impl Finder {
    /// Take part after part, until none is left.
    fn look(
        &mut self,
        target: &Target,
        parts: &[Span],
        (how, next): ((bool, bool), &AtomicUsize),
    ) -> Result<()> {
        self.window.resize(WINDOW, PageRegion::default());
        self.found.clear();
        self.parts.clear();
        loop {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            let Some(part) = parts.get(nth) else { return Ok(()) };
            let Some(query) = query_of(part.look, how) else { continue };
            let start = self.found.len();
            let found = &mut self.found;
            let range = (part.start, part.end);
            each_region(target, range, &query, &mut self.window, &mut |region| {
                found.push(*region)
            })?;
            self.parts.push((nth, start..self.found.len()));
        }
    }
}

/// The spans in parts that take about as long each: large ones are cut, small ones joined.
pub fn parts(spans: &[Span]) -> Vec<Span> {
    let is_large = |span: &Span| span.end - span.start > PART && span.look != Look::Everything;
    let groups = spans.chunk_by(|a, b| !is_large(a) && !is_large(b));
    groups
        .flat_map(|group| if is_large(&group[0]) { cut(&group[0]) } else { spans::joined(group) })
        .collect()
}

fn cut(span: &Span) -> Vec<Span> {
    let starts = (span.start..span.end).step_by(PART as usize);
    starts.map(|start| Span { start, end: span.end.min(start + PART), ..*span }).collect()
}
