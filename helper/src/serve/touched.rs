//! In which order the pages of a process were first touched, as far as it had to wait for them.

/// Runs kept before they are told.
const MOST: usize = 4096;

#[derive(Default)]
pub struct Touched {
    runs: Vec<u64>,
}

impl Touched {
    /// Add a page; runs to tell, once there are many.
    pub fn add(&mut self, page: u64) -> Option<Vec<u64>> {
        match self.runs.as_mut_slice() {
            [.., first, count] if *first + *count == page => *count += 1,
            _ => self.runs.extend([page, 1]),
        }
        (self.runs.len() >= 2 * MOST).then(|| self.flush())
    }

    pub fn flush(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.runs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_in_time_and_place_are_one_run() {
        let mut touched = Touched::default();
        for page in [5, 6, 7, 3, 4, 9] {
            assert_eq!(touched.add(page), None);
        }
        assert_eq!(touched.flush(), [5, 3, 3, 2, 9, 1]);
        assert!(touched.flush().is_empty());
        let told: Vec<_> = (0..2 * MOST as u64).filter_map(|nth| touched.add(nth * 2)).collect();
        assert_eq!(told.len(), 2);
    }
}
