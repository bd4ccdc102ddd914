//! VmFlags read before the freeze, so that the pause need not pay for smaps.
//!
//! No cheaper source has them: PROCMAP_QUERY tells permissions only, and smaps cannot be read in
//! part. What madvise(2) and mlock(2) change shows in no line of maps, so flags that were read
//! before the freeze count only if they are the same after the thaw: `Mappings::confirm`.

use super::Smaps;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Reading smaps again under the freeze is right, needs no check, and up to here costs little.
const CHEAP: Duration = Duration::from_micros(500);

/// The smaps of some processes as they were before the freeze.
#[derive(Default)]
pub struct Before(HashMap<i32, Smaps>);

impl Before {
    /// Read what will be needed of these processes, which still run; of none at all if that is
    /// cheap enough to be done under the freeze. Whoever cannot be read is left out.
    pub fn prepare(pids: &[i32]) -> Self {
        Self::prepare_beyond(CHEAP, pids)
    }

    /// `prepare` with a bound of one's own on what is cheap.
    pub(super) fn prepare_beyond(cheap: Duration, pids: &[i32]) -> Self {
        let start = Instant::now();
        let read = |&pid: &i32| Some((pid, Smaps::read(pid).ok()?));
        let smaps = pids.iter().filter_map(read).collect();
        if start.elapsed() <= cheap {
            return Before::default();
        }
        Before(smaps)
    }

    #[cfg(test)]
    pub fn of(smaps: HashMap<i32, Smaps>) -> Self {
        Before(smaps)
    }

    /// What was read of this process.
    pub fn take(&mut self, pid: i32) -> Option<Smaps> {
        self.0.remove(&pid)
    }
}
