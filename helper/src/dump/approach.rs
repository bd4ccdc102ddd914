//! Coming close to a running tree: its pages are copied in rounds, until what is left to do under
//! the freeze is little enough. How long that would take is estimated from what was measured here.

use super::follow::follow;
use super::pass::Prepared;
use super::throttle::Throttle;
use crate::error::{Code, Error, Result};
use crate::freeze;
use crate::limit::Limit;
use crate::memory::{Left, PAGE};
use crate::tree;
use crate::wire::{LiveRequest, OnSlow, Wire};
use serde::Serialize;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// A freeze in which everything is captured takes two to three times as long as one in which only
/// a userfaultfd is made: with one thread, and with 200.
const CAPTURE: u32 = 3;

/// What is left has to shrink at least by a tenth from round to round, or it will not.
const SHRINKS: f64 = 0.9;

/// Rounds before what is left is told apart from what happened to be written just then.
const TRIAL: u32 = 3;

/// docs/protocol.md, "captured".
#[derive(Clone, Debug, Serialize)]
pub struct Approach {
    rounds: u32,
    /// Pages that were copied while the tree ran, some more than once.
    copied: u64,
    /// Pages that were left for the freeze, and how long it was expected to be.
    left: u64,
    estimate_us: u64,
    /// The tree was stopped before, so many times, the longest of them for so long.
    stops: u32,
    longest_us: u64,
    /// The estimate is longer than it should have been.
    slow: bool,
}

/// Copy pages until the freeze is expected to be as short as it has to be.
///
/// Errors: `TooBusy` if it will not be and that was not to be put up with; those of `Frozen::tree`,
/// `process::look` and `Memory::copy_round`.
pub fn approach(
    root: i32,
    live: &LiveRequest,
    prepared: &mut Prepared,
    (limit, wire): (&Limit, &Wire),
) -> Result<Approach> {
    Approaching {
        root,
        live,
        limit,
        known: HashSet::new(),
        stops: Vec::new(),
        throttle: Throttle::default(),
    }
    .run(prepared, wire)
}

struct Approaching<'a> {
    root: i32,
    live: &'a LiveRequest,
    limit: &'a Limit,
    /// Processes that were there at some freeze.
    known: HashSet<i32>,
    stops: Vec<Duration>,
    throttle: Throttle,
}

impl Approaching<'_> {
    fn run(mut self, prepared: &mut Prepared, wire: &Wire) -> Result<Approach> {
        let mut before = u64::MAX;
        for round in 1.. {
            let pids = self.follow(prepared)?;
            let start = Instant::now();
            let limit = self.limit;
            let written = prepared.memory.protect(limit)?;
            freeze::quiesce(self.root, limit)?;
            let progress = &mut |done, all| wire.progress("copy", done, all);
            let copied = self.throttle.during(self.root, self.live, limit, || {
                prepared.memory.copy_written(written, limit, progress)
            })?;
            let rest = prepared.memory.left(&pids, limit)?;
            if self.fits(&rest) {
                prepared.memory.look_again(&pids);
                let rest = prepared.memory.left(&pids, limit)?;
                if self.fits(&rest) {
                    return Ok(self.told(round, &rest, prepared));
                }
            }
            let shrinks = (rest.pages as f64) < before as f64 * SHRINKS;
            before = rest.pages;
            if round < self.live.max_rounds && (shrinks || round < TRIAL) {
                continue;
            }
            match self.live.on_slow {
                OnSlow::Dump => {
                    prepared.memory.look_again(&pids);
                    return Ok(self.told(round, &rest, prepared));
                }
                OnSlow::Throttle if self.throttle.tighten() => before = u64::MAX,
                _ => return Err(self.too_busy((round, start.elapsed()), copied, &rest, prepared)),
            }
        }
        unreachable!("rounds are counted up to the last")
    }

    /// Follow whoever is new in the tree. All processes there are.
    fn follow(&mut self, prepared: &mut Prepared) -> Result<Vec<i32>> {
        let seen = tree::walk(self.root)?;
        let pids: Vec<i32> = seen.iter().filter(|task| !task.zombie).map(|task| task.pid).collect();
        if pids.iter().all(|pid| self.known.contains(pid)) {
            return Ok(pids);
        }
        let Prepared { memory, gadgets, .. } = prepared;
        let followed = follow(self.root, &|pid| !memory.follows(pid), gadgets, self.limit)?;
        self.known = followed.pids;
        self.stops.push(followed.stopped);
        for (pid, uffd) in followed.made {
            memory.follow(pid, uffd)?;
        }
        Ok(self.known.iter().copied().collect())
    }

    fn estimate(&self, rest: &Left) -> Duration {
        let first = self.stops.iter().min().copied().unwrap_or_default();
        first * CAPTURE + rest.scan + rest.copy
    }

    fn fits(&self, rest: &Left) -> bool {
        self.estimate(rest) <= Duration::from_micros(self.live.max_pause_us)
    }

    fn told(&self, rounds: u32, rest: &Left, prepared: &Prepared) -> Approach {
        let (copied, _) = prepared.memory.rounds();
        let longest = self.stops.iter().max().copied().unwrap_or_default();
        Approach {
            rounds,
            copied,
            left: rest.pages,
            estimate_us: self.estimate(rest).as_micros() as u64,
            stops: self.stops.len() as u32,
            longest_us: longest.as_micros() as u64,
            slow: !self.fits(rest),
        }
    }

    fn too_busy(
        &self,
        (rounds, last): (u32, Duration),
        copied: u64,
        rest: &Left,
        prepared: &Prepared,
    ) -> Error {
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let written = mib((rest.pages * PAGE) as f64);
        let (_, rate) = prepared.memory.rounds();
        let estimate = ms(self.estimate(rest));
        let most = self.live.max_pause_us as f64 / 1e3;
        let message = format!(
            "pid {}: after {rounds} rounds a pause of {estimate:.1} ms is to be expected, more than \
             the {most} ms allowed: {written:.1} MiB were written within the {:.0} ms that copying \
             {:.1} MiB took, at {:.0} MiB/s",
            self.root,
            ms(last),
            mib((copied * PAGE) as f64),
            mib(rate),
        );
        let remedy = "allow a longer --max-pause, or choose --on-slow dump or --on-slow throttle";
        Error::new(Code::TooBusy, message).with_pid(self.root).with_remedy(remedy)
    }
}
