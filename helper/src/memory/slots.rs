//! Where in a pages file the copy of each page lies, while pages are copied in rounds: in slots of
//! one page each. A page that is copied again keeps its slot, so a file never outgrows the pages
//! that there ever were.

use super::runs::{Run, Runs};
use super::PAGE;

/// Pages and the slots that they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Number of the first page.
    pub page: u64,
    pub pages: u64,
    /// Number of its slot; the following pages have the following slots.
    pub slot: u64,
}

impl Piece {
    fn end(&self) -> u64 {
        self.page + self.pages
    }

    /// Its first pages, at most so many, and the others.
    pub fn split_at(self, pages: u64) -> (Piece, Option<Piece>) {
        if pages >= self.pages {
            return (self, None);
        }
        (self.part(self.page, pages), Some(self.part(self.page + pages, self.pages - pages)))
    }

    /// Where the pages are.
    pub fn run(&self) -> Run {
        Run { page: self.page, pages: self.pages as u32, lazy: false, clean: false }
    }

    /// `pages` pages from `page` on, which are part of it.
    fn part(&self, page: u64, pages: u64) -> Piece {
        Piece { page, pages, slot: self.slot + (page - self.page) }
    }

    fn goes_on_with(&self, next: &Piece) -> bool {
        self.end() == next.page && self.slot + self.pages == next.slot
    }
}

#[derive(Default)]
pub struct Slots {
    /// Ascending pages; neighbours in both pages and slots are one.
    pieces: Vec<Piece>,
    /// Slots given out.
    count: u64,
}

impl Slots {
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The pieces of these runs, which ascend; pages without a slot get the next ones.
    pub fn place(&mut self, runs: &[Run]) -> Vec<Piece> {
        let mut placed = Vec::with_capacity(runs.len());
        let mut new = Vec::new();
        let mut count = self.count;
        self.split(runs, &mut |page, pages, slot| {
            let piece = Piece { page, pages, slot: slot.unwrap_or(count) };
            if slot.is_none() {
                count += pages;
                push(&mut new, piece);
            }
            push(&mut placed, piece);
        });
        self.count = count;
        self.add(new);
        placed
    }

    /// The slots of these runs, ascending; of pages that have none, nothing.
    pub fn find(&self, runs: &[Run]) -> Vec<Piece> {
        let mut found = Vec::with_capacity(runs.len());
        self.split(runs, &mut |page, pages, slot| {
            if let Some(slot) = slot {
                push(&mut found, Piece { page, pages, slot });
            }
        });
        found
    }

    /// The parts of these runs, which ascend, that have no slots.
    pub fn missing(&self, runs: &[Run]) -> Vec<Run> {
        let mut missing = Runs::default();
        self.split(runs, &mut |page, pages, slot| {
            if slot.is_none() {
                missing.push(page * PAGE, (page + pages) * PAGE, (false, false));
            }
        });
        missing.as_slice().to_vec()
    }

    /// Forget where a page is: there is no copy of it.
    pub fn forget(&mut self, page: u64) {
        let nth = self.pieces.partition_point(|piece| piece.end() <= page);
        let Some(piece) = self.pieces.get(nth).filter(|piece| piece.page <= page) else { return };
        let before = piece.part(piece.page, page - piece.page);
        let after = piece.part(page + 1, piece.end() - page - 1);
        let left = [before, after].into_iter().filter(|part| part.pages > 0);
        self.pieces.splice(nth..=nth, left);
    }

    /// Tell of the runs' pages, in order, which slots they have.
    pub fn split(&self, runs: &[Run], tell: &mut dyn FnMut(u64, u64, Option<u64>)) {
        let mut pieces = self.pieces.iter().peekable();
        for run in runs {
            let (mut page, end) = (run.page, run.page + u64::from(run.pages));
            while page < end {
                while pieces.next_if(|piece| piece.end() <= page).is_some() {}
                match pieces.peek() {
                    Some(piece) if piece.page <= page => {
                        let part = piece.part(page, end.min(piece.end()) - page);
                        tell(part.page, part.pages, Some(part.slot));
                        page = part.end();
                    }
                    next => {
                        let gap = next.map_or(end, |piece| piece.page.min(end));
                        tell(page, gap - page, None);
                        page = gap;
                    }
                }
            }
        }
    }

    fn add(&mut self, new: Vec<Piece>) {
        if new.is_empty() {
            return;
        }
        let mut all = std::mem::take(&mut self.pieces);
        all.extend(new);
        all.sort_by_key(|piece| piece.page); // two sorted parts: it only merges
        for piece in all {
            push(&mut self.pieces, piece);
        }
    }
}

/// Add a piece that lies above all others.
fn push(pieces: &mut Vec<Piece>, piece: Piece) {
    match pieces.last_mut() {
        Some(last) if last.goes_on_with(&piece) => last.pages += piece.pages,
        _ => pieces.push(piece),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(page: u64, pages: u32) -> Run {
        Run { page, pages, lazy: true, clean: false }
    }

    fn piece(page: u64, pages: u64, slot: u64) -> Piece {
        Piece { page, pages, slot }
    }

    #[test]
    fn the_first_round_fills_the_file_in_order() {
        let mut slots = Slots::default();
        let placed = slots.place(&[run(10, 2), run(12, 1), run(20, 3)]);
        assert_eq!(placed, [piece(10, 3, 0), piece(20, 3, 3)]);
        assert_eq!(slots.find(&[run(0, 100)]), placed);
    }

    #[test]
    fn pages_keep_their_slots_and_new_ones_are_appended() {
        let mut slots = Slots::default();
        slots.place(&[run(10, 4), run(20, 4)]);
        let placed = slots.place(&[run(8, 4), run(13, 9), run(30, 1)]);
        let expected = [
            piece(8, 2, 8),
            piece(10, 2, 0),
            piece(13, 1, 3),
            piece(14, 6, 10),
            piece(20, 2, 4),
            piece(30, 1, 16),
        ];
        assert_eq!(placed, expected);
        assert_eq!(
            slots.find(&[run(11, 4), run(29, 9)]),
            [piece(11, 3, 1), piece(14, 1, 10), piece(30, 1, 16)]
        );
        assert_eq!(slots.place(&[run(8, 4), run(13, 9), run(30, 1)]), expected);
    }

    #[test]
    fn what_is_forgotten_is_missing_and_gets_a_new_slot() {
        let mut slots = Slots::default();
        slots.place(&[run(10, 4), run(20, 1)]);
        [11, 20, 99].into_iter().for_each(|page| slots.forget(page));
        let all = [run(10, 4), run(20, 2)];
        assert_eq!(slots.find(&all), [piece(10, 1, 0), piece(12, 2, 2)]);
        let pages = |runs: &[Run]| runs.iter().map(|run| (run.page, run.pages)).collect::<Vec<_>>();
        assert_eq!(pages(&slots.missing(&all)), [(11, 1), (20, 2)]);
        let placed = slots.place(&all);
        assert_eq!(placed[..2], [piece(10, 1, 0), piece(11, 1, 5)]);
        assert!(slots.missing(&all).is_empty());
    }

    #[test]
    fn whatever_is_placed_each_page_has_one_slot() {
        let mut slots = Slots::default();
        let mut known = std::collections::BTreeMap::new();
        let mut seed = 1u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % below
        };
        for _ in 0..200 {
            let mut page = random(20);
            let runs = std::iter::repeat_with(|| {
                let run = run(page, 1 + random(9) as u32);
                page += u64::from(run.pages) + random(30);
                run
            });
            for piece in slots.place(&runs.take(5).collect::<Vec<_>>()) {
                for nth in 0..piece.pages {
                    let slot = *known.entry(piece.page + nth).or_insert(piece.slot + nth);
                    assert_eq!(slot, piece.slot + nth);
                }
            }
        }
        let used: std::collections::BTreeSet<u64> = known.values().copied().collect();
        assert_eq!((used.len(), used.last()), (known.len(), Some(&(known.len() as u64 - 1))));
    }
}
