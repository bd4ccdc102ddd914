//! The pages of one address space that are still missing: which, and which page of the table each
//! was before the process moved it.

use std::collections::BTreeMap;

/// Pages to be brought in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where they go now.
    pub page: u64,
    pub count: u64,
    /// What they are in the table.
    pub origin: u64,
}

#[derive(Clone, Copy, Debug)]
struct Extent {
    count: u64,
    origin: u64,
    /// Someone is bringing them already; a thread that waits for one does not wait for that.
    taken: bool,
}

/// By the page where they go.
#[derive(Clone, Debug, Default)]
pub struct Remaining {
    extents: BTreeMap<u64, Extent>,
}

impl Remaining {
    pub fn new(ranges: &[(u64, u64)]) -> Self {
        let extent = |&(page, count)| (page, Extent { count, origin: page, taken: false });
        Remaining { extents: ranges.iter().map(extent).collect() }
    }

    pub fn is_empty(&self) -> bool {
        self.extents.is_empty()
    }

    pub fn pages(&self) -> u64 {
        self.extents.values().map(|extent| extent.count).sum()
    }

    /// What a child gets by fork: nobody brings the child's pages yet.
    pub fn inherited(&self) -> Self {
        let mut child = self.clone();
        child.extents.values_mut().for_each(|extent| extent.taken = false);
        child
    }

    /// From `page` on, at most `most` pages in a row, whether taken or not.
    pub fn at(&self, page: u64, most: u64) -> Option<Chunk> {
        let (&start, extent) = self.extents.range(..=page).next_back()?;
        let (skipped, end) = (page - start, start + extent.count);
        let count = end.checked_sub(page).filter(|&left| left > 0)?.min(most);
        Some(Chunk { page, count, origin: extent.origin + skipped })
    }

    /// The pages around `page`, it among them: of an aligned block of `width` those in a row with it.
    pub fn around(&self, page: u64, width: u64) -> Option<Chunk> {
        let found = self.at(page, width - page % width)?;
        let (&start, _) = self.extents.range(..=page).next_back()?;
        let before = page - start.max(page - page % width);
        Some(Chunk {
            page: page - before,
            count: found.count + before,
            origin: found.origin - before,
        })
    }

    pub fn first(&self) -> Option<Chunk> {
        let (&page, extent) = self.extents.first_key_value()?;
        Some(Chunk { page, count: extent.count, origin: extent.origin })
    }

    /// Take at most `most` pages of the first that nobody has taken, from `page` on, below `end`.
    pub fn take(&mut self, page: u64, end: u64, most: u64) -> Option<Chunk> {
        self.split(page);
        let (&start, extent) = self.extents.range(page..end).find(|(_, extent)| !extent.taken)?;
        let (count, origin) = (extent.count.min(most).min(end - start), extent.origin);
        self.split(start + count);
        self.extents.insert(start, Extent { count, origin, taken: true });
        Some(Chunk { page: start, count, origin })
    }

    /// The first part of a chunk that is still missing where it was.
    pub fn due(&self, chunk: &Chunk) -> Option<Chunk> {
        let end = chunk.page + chunk.count;
        let mut page = chunk.page;
        while page < end {
            let found = self.at(page, end - page);
            let origin = chunk.origin + (page - chunk.page);
            match found {
                Some(part) if part.origin == origin => return Some(part),
                Some(part) => page += part.count,
                None => page = *self.extents.range(page..end).next()?.0,
            }
        }
        None
    }

    /// These are missing no more; how many were.
    pub fn remove(&mut self, page: u64, end: u64) -> u64 {
        self.cut_out(page, end).values().map(|extent| extent.count).sum()
    }

    /// The process moved `count` pages; what was missing at their new place is gone. How many.
    pub fn remap(&mut self, from: u64, to: u64, count: u64) -> u64 {
        let moved = self.cut_out(from, from.saturating_add(count));
        let gone = self.remove(to, to.saturating_add(count));
        for (page, extent) in moved {
            self.extents.insert(page - from + to, Extent { taken: false, ..extent });
        }
        gone
    }

    fn cut_out(&mut self, page: u64, end: u64) -> BTreeMap<u64, Extent> {
        self.split(page);
        self.split(end);
        let mut out = self.extents.split_off(&page);
        self.extents.append(&mut out.split_off(&end));
        out
    }

    /// No extent reaches across `page`.
    fn split(&mut self, page: u64) {
        let Some((&start, extent)) = self.extents.range_mut(..page).next_back() else { return };
        if start + extent.count <= page {
            return;
        }
        let before = page - start;
        let rest =
            Extent { count: extent.count - before, origin: extent.origin + before, ..*extent };
        extent.count = before;
        self.extents.insert(page, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(page: u64, count: u64, origin: u64) -> Option<Chunk> {
        Some(Chunk { page, count, origin })
    }

    #[test]
    fn pages_are_taken_in_order_and_once() {
        let mut left = Remaining::new(&[(10, 10), (30, 2)]);
        assert_eq!(left.take(0, 1000, 4), chunk(10, 4, 10));
        assert_eq!(left.take(0, 1000, 100), chunk(14, 6, 14));
        assert_eq!(left.take(31, 1000, 100), chunk(31, 1, 31));
        assert_eq!(left.take(0, 1000, 100), chunk(30, 1, 30));
        assert_eq!(left.take(0, 1000, 100), None);
        assert_eq!(
            left.at(12, 100),
            chunk(12, 2, 12),
            "a thread that waits is served all the same"
        );
        assert_eq!(left.remove(0, 100), 12);
        assert!(left.is_empty());
    }

    #[test]
    fn the_neighbours_of_a_page_are_those_in_its_block_and_row() {
        let left = Remaining::new(&[(10, 10), (30, 10)]);
        assert_eq!(left.around(17, 8), chunk(16, 4, 16));
        assert_eq!(left.around(12, 8), chunk(10, 6, 10));
        assert_eq!(left.around(33, 8), chunk(32, 8, 32));
        assert_eq!(left.around(33, 1), chunk(33, 1, 33));
        assert_eq!(left.around(20, 8), None);
    }

    #[test]
    fn moved_pages_keep_their_origin_and_are_free_again() {
        let mut left = Remaining::new(&[(10, 10), (50, 4)]);
        let taken = left.take(10, 1000, 6).unwrap();
        assert_eq!(left.remap(12, 51, 2), 2, "what was at the new place is gone");
        assert_eq!(left.at(51, 9), chunk(51, 2, 12));
        assert_eq!(left.at(12, 1), None);
        assert_eq!(left.due(&taken), chunk(10, 2, 10));
        left.remove(10, 12);
        assert_eq!(left.due(&taken), chunk(14, 2, 14));
        left.remove(14, 16);
        assert_eq!(left.due(&taken), None);
        assert_eq!(left.take(50, 1000, 9), chunk(50, 1, 50));
        assert_eq!(left.take(50, 1000, 9), chunk(51, 2, 12));
        assert_eq!(left.pages(), 4 + 1 + 2 + 1);
    }

    #[test]
    fn what_came_back_to_its_place_from_elsewhere_is_not_what_was_taken() {
        let mut left = Remaining::new(&[(10, 4)]);
        let taken = left.take(10, 1000, 4).unwrap();
        left.remap(10, 20, 2);
        left.remap(20, 11, 2); // 11 is now what 10 was
        assert_eq!(left.due(&taken), chunk(13, 1, 13));
    }

    #[test]
    fn a_child_inherits_what_is_under_way() {
        let mut parent = Remaining::new(&[(10, 4)]);
        parent.take(10, 1000, 4);
        let mut child = parent.inherited();
        parent.remove(10, 14);
        assert_eq!(child.take(0, 1000, 9), chunk(10, 4, 10));
    }

    #[test]
    fn ranges_beyond_all_bounds_do_no_harm() {
        let mut left = Remaining::new(&[(10, 4)]);
        assert_eq!(left.remove(u64::MAX - 1, u64::MAX), 0);
        assert_eq!(left.remap(u64::MAX - 1, 12, u64::MAX), 2);
        assert_eq!(left.remove(0, u64::MAX), 2);
    }
}
