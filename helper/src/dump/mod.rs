//! One dump: prepare, freeze, capture everything in one pass, let go, then tell what was seen.
//! Between freeze and thaw nothing waits for the orchestrator (law 1).

mod approach;
mod pass;
mod throttle;
mod told;

use crate::awake::Awake;
use crate::error::{Code, Error, Result};
use crate::freeze::Frozen;
use crate::limit::Limit;
use crate::urgent::Urgent;
use crate::wire::{Action, DumpRequest, Request, Wire};
use approach::{approach, Approach};
use pass::{Facts, Prepared};
use std::thread;
use std::time::{Duration, Instant};
use told::{Captured, Done, Times};

/// How often, and after how long, a tree is tried again that could not be taken as it was.
const TRIES: u32 = 10;
const RESPITE: Duration = Duration::from_millis(20);

/// What a pass over the frozen tree brought back.
struct Taken {
    prepared: Prepared,
    facts: Facts,
    times: Times,
    approach: Option<Approach>,
    /// The tree, where it is held until `finish`. Last, so that it goes first when all is dropped
    /// (`dump` takes it out), before files are removed.
    held: Option<Frozen>,
}

/// Answer a `dump` request. Errors: whatever went wrong; the tree then runs on in the state in
/// which it was found, and the files we made are gone.
pub fn dump(request: &DumpRequest, limit: &Limit, wire: &Wire) -> Result<()> {
    let start = Instant::now();
    let mut taken = take(request, false, limit, wire)?;
    if taken.held.is_none() && taken.prepared.memory.confirm().is_err() {
        // What was assumed from before the freeze has changed: once more, assuming nothing.
        let paused = taken.times.frozen.unwrap_or(0);
        drop(taken);
        taken = take(request, true, limit, wire)?;
        taken.times.frozen = taken.times.frozen.map(|frozen| frozen + paused);
    }
    let Taken { mut prepared, mut facts, mut times, approach, held } = taken;
    prepared.memory.settle(limit)?;
    times.total = micros(start);
    told::send(&prepared, &facts, limit, wire)?;
    wire.send(&Captured::new(&prepared, &facts, times, approach)?, limit)?;
    if let Some(held) = held {
        let Request::Finish { action } = wire.receive(limit)? else {
            return Err(Error::new(Code::Protocol, "expected finish"));
        };
        let tcp = std::mem::take(&mut facts.tcp);
        let frozen = match action {
            Action::Kill => {
                let frozen = held.finish(action)?;
                tcp.retire()?;
                frozen
            }
            Action::Run | Action::Stop => {
                drop(tcp);
                held.finish(action)?
            }
        };
        wire.send(&Done::new(frozen), limit)?;
    }
    prepared.memory.keep();
    facts.files.ghosts.keep();
    Ok(())
}

/// Take the tree when it can be taken: a thread that has yet to recover from a dump which was killed
/// the moment before does so as soon as it gets a CPU.
fn take(request: &DumpRequest, exact: bool, limit: &Limit, wire: &Wire) -> Result<Taken> {
    for _ in 0..TRIES {
        match try_to_take(request, exact, limit, wire) {
            Err(error) if error.code == Code::TargetChanged => thread::sleep(RESPITE),
            taken => return taken,
        }
    }
    try_to_take(request, exact, limit, wire)
}

/// Freeze, capture, and unless the tree is to be held, thaw. With `exact`, nothing is assumed from
/// before the freeze.
fn try_to_take(request: &DumpRequest, exact: bool, limit: &Limit, wire: &Wire) -> Result<Taken> {
    let mut prepared = Prepared::new(request, exact, limit)?;
    let come_close = |live| approach(request.tree, live, &mut prepared, (limit, wire));
    let approach = request.live.as_ref().map(come_close).transpose()?;
    let _awake = Awake::new();
    let urgent = Urgent::new();
    let frozen = Frozen::tree(request.tree, limit)?;
    let mut times = Times { freeze: micros(frozen.since()), ..Times::default() };
    let facts =
        pass::capture(&frozen.tasks, &mut prepared, &mut times, (request, limit, wire, &urgent))?;
    let held = match request.after {
        Action::Run => {
            times.frozen = Some(frozen.finish(Action::Run)?.as_micros() as u64);
            None
        }
        Action::Stop | Action::Kill => Some(frozen),
    };
    Ok(Taken { prepared, facts, times, approach, held })
}

fn micros(since: Instant) -> u64 {
    since.elapsed().as_micros() as u64
}
