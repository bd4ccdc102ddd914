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

/// A freeze in which everything is captured takes two to three times as long as one in which the
/// tree is only looked at, or makes a userfaultfd: with one thread, and with 200.
const CAPTURE: u32 = 3;

/// What is left has to shrink at least by a tenth from round to round, or it will not.
const SHRINKS: f64 = 0.9;

/// So many rounds in a row in which it does not mean that it never will: one alone may be chance.
const STALLED: u32 = 3;

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
        owners: Vec::new(),
        stops: Vec::new(),
        scan: Duration::MAX,
        throttle: Throttle::default(),
    }
    .run(prepared, wire)
}

struct Approaching<'a> {
    root: i32,
    live: &'a LiveRequest,
    limit: &'a Limit,
    /// Processes that were there at the last freeze, and of these the owners of address spaces.
    known: HashSet<i32>,
    owners: Vec<i32>,
    stops: Vec<Duration>,
    /// The shortest time that it took to find what was left: the tree, which competes, will stand.
    scan: Duration,
    throttle: Throttle,
}

impl Approaching<'_> {
    fn run(mut self, prepared: &mut Prepared, wire: &Wire) -> Result<Approach> {
        let (mut before, mut stalled) = (u64::MAX, 0);
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
            let mut rest = self.left(prepared, &pids)?;
            if self.fits(&rest) {
                prepared.memory.look_again(&pids);
                rest = self.left(prepared, &pids)?;
            }
            if self.fits(&rest) {
                return Ok(self.told(round, &rest, prepared));
            }
            if self.capture() * 2 > self.most() {
                self.probe(prepared)?; // was the machine just busy then?
            }
            // Where copying is the smaller part, the estimate is for the noise to bring down.
            let grows = rest.pages as f64 > before as f64 * SHRINKS && rest.copy * 2 > self.most();
            stalled = if grows { stalled + 1 } else { 0 };
            before = rest.pages;
            if round < self.live.max_rounds && stalled < STALLED {
                continue;
            }
            match self.live.on_slow {
                OnSlow::Dump => {
                    prepared.memory.look_again(&pids);
                    return Ok(self.told(round, &rest, prepared));
                }
                OnSlow::Throttle if self.throttle.tighten() => (before, stalled) = (u64::MAX, 0),
                _ => return Err(self.too_busy((round, start.elapsed()), copied, &rest, prepared)),
            }
        }
        unreachable!("rounds are counted up to the last")
    }

    /// Follow whoever is new in the tree, or executes another program. All processes there are.
    fn follow(&mut self, prepared: &mut Prepared) -> Result<Vec<i32>> {
        let seen = tree::walk(self.root)?;
        let pids: Vec<i32> = seen.iter().filter(|task| !task.zombie).map(|task| task.pid).collect();
        let follows = |pid: &i32| prepared.memory.follows(*pid) || !pids.contains(pid);
        if pids.iter().all(|pid| self.known.contains(pid)) && self.owners.iter().all(follows) {
            return Ok(pids);
        }
        let Prepared { memory, gadgets, .. } = prepared;
        let followed = follow(self.root, &|pid| !memory.follows(pid), gadgets, self.limit)?;
        self.owners = followed.owners;
        self.known = followed.pids;
        self.stops.push(followed.stopped);
        for (pid, uffd) in followed.made {
            memory.follow(pid, uffd)?;
        }
        Ok(self.known.iter().copied().collect())
    }

    fn left(&mut self, prepared: &mut Prepared, pids: &[i32]) -> Result<Left> {
        let left = prepared.memory.left(pids, self.limit)?;
        self.scan = self.scan.min(left.scan);
        Ok(Left { scan: self.scan, ..left })
    }

    /// Stop the tree once more, for no longer than it takes to look at it.
    fn probe(&mut self, prepared: &mut Prepared) -> Result<()> {
        let looked = follow(self.root, &|_| false, &mut prepared.gadgets, self.limit)?;
        self.stops.push(looked.stopped);
        Ok(())
    }

    /// How long it takes to stop the tree and capture all but its memory.
    fn capture(&self) -> Duration {
        self.stops.iter().min().copied().unwrap_or_default() * CAPTURE
    }

    fn estimate(&self, rest: &Left) -> Duration {
        self.capture() + rest.scan + rest.copy
    }

    fn most(&self) -> Duration {
        Duration::from_micros(self.live.max_pause_us)
    }

    fn fits(&self, rest: &Left) -> bool {
        self.estimate(rest) <= self.most()
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
        let mib = |pages: u64| (pages * PAGE) as f64 / f64::from(1 << 20);
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let (_, rate) = prepared.memory.rounds();
        let message = format!(
            "pid {}: after {rounds} rounds a pause of {:.1} ms is to be expected, more than {} ms: \
             {:.1} to copy the {:.1} MiB that were written (or are shared) at {:.0} MiB/s, {:.1} to \
             find them, {:.1} for all else; the last round copied {:.1} MiB in {:.0} ms",
            self.root,
            ms(self.estimate(rest)),
            ms(self.most()),
            ms(rest.copy),
            mib(rest.pages),
            rate / f64::from(1 << 20),
            ms(rest.scan),
            ms(self.capture()),
            mib(copied),
            ms(last),
        );
        let remedy = "allow a longer --max-pause, or choose --on-slow dump or --on-slow throttle";
        Error::new(Code::TooBusy, message).with_pid(self.root).with_remedy(remedy)
    }
}
