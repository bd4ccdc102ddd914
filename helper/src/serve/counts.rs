//! What a session has done so far: counted by many threads, told once.

use super::tell::{Latency, Totals};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Steps of the histogram in each doubling of a latency, and how many doublings.
const STEPS: u32 = 4;
const DOUBLINGS: u32 = 32;
const BUCKETS: usize = (STEPS * DOUBLINGS) as usize;

pub struct Counts(Mutex<Counted>);

struct Counted {
    totals: Totals,
    waits: [u64; BUCKETS],
    longest: u64,
}

impl Default for Counts {
    fn default() -> Self {
        let totals = Totals::default();
        Counts(Mutex::new(Counted { totals, waits: [0; BUCKETS], longest: 0 }))
    }
}

impl Counts {
    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn add(&self, change: impl FnOnce(&mut Totals)) {
        change(&mut self.lock().totals);
    }

    pub fn totals(&self) -> Totals {
        self.lock().totals
    }

    /// A thread has waited for so long.
    pub fn waited(&self, time: Duration) {
        let us = time.as_micros().min(u128::from(u64::MAX)) as u64;
        let mut counted = self.lock();
        counted.waits[bucket(us)] += 1;
        counted.longest = counted.longest.max(us);
    }

    pub fn latency(&self) -> Latency {
        let counted = self.lock();
        let max = counted.longest;
        let quantile = |share| quantile(&counted.waits, share).min(max);
        Latency { p50: quantile(0.5), p99: quantile(0.99), max }
    }
}

/// The upper bound of the bucket in which it lies.
fn quantile(waits: &[u64; BUCKETS], share: f64) -> u64 {
    let rank = (waits.iter().sum::<u64>() as f64 * share).ceil() as u64;
    let mut seen = 0;
    let found = waits.iter().position(|count| {
        seen += count;
        seen >= rank
    });
    2f64.powf((found.unwrap_or(0) + 1) as f64 / f64::from(STEPS)) as u64
}

/// The bucket of a latency: logarithmic.
fn bucket(us: u64) -> usize {
    let place = (us.max(1) as f64).log2() * f64::from(STEPS);
    (place as usize).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_near() {
        let counts = Counts::default();
        for us in 1..=1000 {
            counts.waited(Duration::from_micros(us));
        }
        let Latency { p50, p99, max } = counts.latency();
        assert!((500..=600).contains(&p50), "{p50}");
        assert!((990..=1000).contains(&p99), "{p99}");
        assert_eq!(max, 1000);
        assert_eq!(Counts::default().latency().max, 0);
    }
}
