//! Where the pages of one process come from: what the orchestrator told, never changed afterwards,
//! and shared by all who are restored from it.

use crate::error::{Code, Error, Result};

/// Pages in a row that lie in a row in their source too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Address divided by the size of a page.
    pub page: u64,
    pub count: u64,
    /// Index of the source.
    pub source: usize,
    /// Where in the source, in pages.
    pub offset: u64,
}

/// Runs of one process, ascending.
#[derive(Debug, Default)]
pub struct Table {
    runs: Vec<Run>,
}

/// No page number lies above: addresses have 57 bits at most.
const PAGES: u64 = 1 << 45;

impl Table {
    /// Append runs, flat: page, count, source, offset. Errors: `Protocol` for what overlaps, or is
    /// out of order or range.
    pub fn extend(&mut self, flat: &[u64], sources: usize) -> Result<()> {
        if flat.len() % 4 != 0 {
            return Err(invalid("is torn"));
        }
        for quad in flat.chunks_exact(4) {
            let run = Run {
                page: quad[0],
                count: quad[1],
                source: usize::try_from(quad[2]).unwrap_or(usize::MAX),
                offset: quad[3],
            };
            let least = self.runs.last().map_or(0, |last| last.page + last.count);
            if run.page < least || run.count == 0 || run.page >= PAGES || run.count > PAGES {
                return Err(invalid("is out of order"));
            }
            if run.source >= sources || run.offset > u64::MAX >> 14 {
                return Err(invalid("names a source that there is not"));
            }
            self.runs.push(run);
        }
        Ok(())
    }

    /// Ranges of pages without a gap: first page, count.
    pub fn ranges(&self) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for run in &self.runs {
            match ranges.last_mut() {
                Some(last) if last.0 + last.1 == run.page => last.1 += run.count,
                _ => ranges.push((run.page, run.count)),
            }
        }
        ranges
    }

    /// The parts of `count` pages from `page`, all of which are in the table.
    pub fn parts(&self, page: u64, count: u64) -> impl Iterator<Item = Run> + '_ {
        let first = self.runs.partition_point(|run| run.page + run.count <= page);
        let end = page + count;
        self.runs[first..].iter().take_while(move |run| run.page < end).map(move |run| {
            let start = run.page.max(page);
            let count = (run.page + run.count).min(end) - start;
            Run { page: start, count, source: run.source, offset: run.offset + start - run.page }
        })
    }
}

fn invalid(what: &str) -> Error {
    Error::new(Code::Protocol, format!("a table of pages {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_and_parts_are_found() {
        let mut table = Table::default();
        table.extend(&[10, 5, 0, 100, 15, 5, 1, 7, 30, 1, 0, 0], 2).unwrap();
        assert_eq!(table.ranges(), [(10, 10), (30, 1)]);
        let parts: Vec<Run> = table.parts(13, 4).collect();
        assert_eq!(parts[0], Run { page: 13, count: 2, source: 0, offset: 103 });
        assert_eq!(parts[1], Run { page: 15, count: 2, source: 1, offset: 7 });
        assert_eq!(parts.len(), 2);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for flat in [
            &[10, 5, 0][..],
            &[10, 0, 0, 0],
            &[10, 5, 1, 0],
            &[10, 5, 0, 0, 14, 1, 0, 0],
            &[u64::MAX, 1, 0, 0],
            &[10, u64::MAX, 0, 0],
            &[10, 1, 0, u64::MAX],
        ] {
            assert!(Table::default().extend(flat, 1).is_err(), "{flat:?}");
        }
    }
}
