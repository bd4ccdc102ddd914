//! When to give up: the orchestrator's end of file, or the deadline. Every step of a dump asks.

use crate::error::{Code, Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Clone, Default)]
pub struct Limit {
    deadline: Option<Instant>,
    aborted: Arc<AtomicBool>,
}

impl Limit {
    /// `timeout_ms` counts from now; 0 is none.
    pub fn new(timeout_ms: u64, aborted: Arc<AtomicBool>) -> Self {
        let deadline = (timeout_ms > 0).then(|| Instant::now() + Duration::from_millis(timeout_ms));
        Limit { deadline, aborted }
    }

    /// Errors: `Aborted` when the orchestrator has gone, `Timeout` past the deadline.
    pub fn check(&self) -> Result<()> {
        if self.aborted.load(Ordering::Relaxed) {
            return Err(Error::new(Code::Aborted, "the dump was aborted"));
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => {
                Err(Error::new(Code::Timeout, "the dump did not finish within its timeout"))
            }
            _ => Ok(()),
        }
    }
}
