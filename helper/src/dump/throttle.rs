//! Slowing the tree down, so that copying keeps up with what it writes: it is stopped for a part of
//! the time, never for as long as its pause may be. When we die it runs on at full speed.

use crate::error::Result;
use crate::freeze::Frozen;
use crate::limit::Limit;
use crate::wire::LiveRequest;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Parts of the time, in percent, that the tree is stopped.
const PARTS: [u32; 5] = [0, 50, 75, 90, 97];

#[derive(Default)]
pub struct Throttle {
    step: usize,
}

impl Throttle {
    /// Slow down more. False: there is no more.
    pub fn tighten(&mut self) -> bool {
        self.step += 1;
        self.step < PARTS.len()
    }

    /// Do this work while the tree is slowed down.
    pub fn during<T>(
        &self,
        root: i32,
        live: &LiveRequest,
        limit: &Limit,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let Some(part @ 1..) = PARTS.get(self.step).copied() else { return work() };
        let stopped = Duration::from_micros(live.max_pause_us / 2);
        let running = stopped * (100 - part) / part;
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // Whoever cannot be stopped now runs on; at the freeze that will be told.
                    let frozen = Frozen::tree(root, limit);
                    thread::sleep(stopped);
                    drop(frozen);
                    thread::sleep(running);
                }
            });
            let result = work();
            done.store(true, Ordering::Relaxed);
            result
        })
    }
}
