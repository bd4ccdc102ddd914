//! One dump: prepare, freeze, capture everything in one pass, let go, then tell what was seen.
//! Between freeze and thaw nothing waits for the orchestrator (law 1).

mod approach;
mod chain;
mod follow;
mod pass;
mod predump;
pub mod reap;
mod throttle;
mod told;
mod track;

use crate::awake::Awake;
use crate::error::{Code, Error, Result};
use crate::freeze::Frozen;
use crate::limit::Limit;
use crate::memory::Changes;
use crate::tcp::Kept;
use crate::urgent::Urgent;
use crate::wire::{Action, DumpRequest, PageCopy, Request, Wire};
use approach::{approach, Approach};
use chain::Chain;
use pass::{Facts, Prepared};
pub use predump::predump;
use reap::{reap, Reaper};
use std::thread;
use std::time::{Duration, Instant};
use told::{Captured, Done, SnapshotTold, Times};
pub use track::track;

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
    check(request)?;
    let start = Instant::now();
    let (chain, mut changes) =
        Chain::begin(request.tree, request.track.as_ref(), request.live.is_some())?;
    let _reaper = request.snapshot.then_some(Reaper(request.tree)); // dropped last
    let mut taken = take(request, (&chain, &mut changes), false, (limit, wire))?;
    if taken.held.is_none() && taken.prepared.memory.confirm().is_err() {
        // What was assumed from before the freeze has changed: once more, assuming nothing.
        let paused = taken.times.frozen.unwrap_or(0);
        changes = taken.prepared.memory.take_changes();
        drop(taken);
        taken = take(request, (&chain, &mut changes), true, (limit, wire))?;
        taken.times.frozen = taken.times.frozen.map(|frozen| frozen + paused);
    }
    let Taken { mut prepared, mut facts, mut times, approach, held } = taken;
    let snapshot = copy_snapshots(request.tree, &mut prepared, &times, (limit, wire))?;
    prepared.memory.settle(limit)?;
    facts.files.complete();
    times.total = micros(start);
    told::send(&prepared, &facts, limit, wire)?;
    let told = (approach, chain.told(&prepared.memory.changes), snapshot);
    wire.send(&Captured::new(&prepared, &facts, times, told)?, limit)?;
    if held.is_some() || chain.makes_epoch() {
        let Request::Finish { action } = wire.receive(limit)? else {
            return Err(Error::new(Code::Protocol, "expected finish"));
        };
        let frozen = let_go(held, std::mem::take(&mut facts.tcp), action)?;
        if action != Action::Kill {
            chain.commit(&prepared.memory.changes)?;
        }
        wire.send(&Done::new(frozen), limit)?;
    }
    prepared.memory.keep();
    facts.files.ghosts.keep();
    Ok(())
}

/// The tree's connections are its own again before it runs on, and end in silence after it is killed.
fn let_go(held: Option<Frozen>, tcp: Kept, action: Action) -> Result<Option<Duration>> {
    if action == Action::Kill {
        tcp.check()?;
    }
    let finish = || held.map(|held| held.finish(action)).transpose();
    if action != Action::Kill {
        drop(tcp);
        return finish();
    }
    let frozen = finish()?;
    tcp.retire()?;
    Ok(frozen)
}

/// Errors: `Protocol` for a request that contradicts itself.
fn check(request: &DumpRequest) -> Result<()> {
    let whole = (request.after, request.copy) == (Action::Run, PageCopy::All);
    if request.snapshot && (!whole || request.live.is_some() || request.track.is_some()) {
        let what = "a snapshot is of all pages at once, of a tree that runs on";
        return Err(Error::new(Code::Protocol, what));
    }
    Ok(())
}

/// After the thaw: copy what snapshot children keep, if there are any, and take those away.
fn copy_snapshots(
    root: i32,
    prepared: &mut Prepared,
    times: &Times,
    (limit, wire): (&Limit, &Wire),
) -> Result<Option<SnapshotTold>> {
    let Some(clone_us) = times.clone else { return Ok(None) };
    let progress = &mut |done, total| wire.progress("copy", done, total);
    let copied_after = prepared.memory.copy_snapshots(limit, progress)?;
    // The copy is good even where the tree has ended, or cannot be stopped now.
    let reap_us = reap(root, limit).unwrap_or_default().as_micros() as u64;
    Ok(Some(SnapshotTold { clone_us, reap_us, copied_after }))
}

/// Take the tree when it can be taken: a thread that has yet to recover from a dump which was killed
/// the moment before does so as soon as it gets a CPU.
fn take(
    request: &DumpRequest,
    (chain, changes): (&Chain, &mut Changes),
    exact: bool,
    (limit, wire): (&Limit, &Wire),
) -> Result<Taken> {
    for _ in 0..TRIES {
        match try_to_take(request, (chain, changes), exact, (limit, wire)) {
            Err(error) if error.code == Code::TargetChanged => thread::sleep(RESPITE),
            taken => return taken,
        }
    }
    try_to_take(request, (chain, changes), exact, (limit, wire))
}

/// Freeze, capture, and unless the tree is to be held, thaw. With `exact`, nothing is assumed from
/// before the freeze. After an error `changes` has what the next try needs of them.
fn try_to_take(
    request: &DumpRequest,
    (chain, changes): (&Chain, &mut Changes),
    exact: bool,
    (limit, wire): (&Limit, &Wire),
) -> Result<Taken> {
    reap(request.tree, limit)?;
    let mut prepared = Prepared::new(request, std::mem::take(changes), exact, limit)?;
    let captured = capture(request, chain, &mut prepared, (limit, wire));
    let (facts, times, approach, held) = captured.inspect_err(|_| {
        *changes = prepared.memory.take_changes();
    })?;
    Ok(Taken { prepared, facts, times, approach, held })
}

type Seen = (Facts, Times, Option<Approach>, Option<Frozen>);

fn capture(
    request: &DumpRequest,
    chain: &Chain,
    prepared: &mut Prepared,
    (limit, wire): (&Limit, &Wire),
) -> Result<Seen> {
    chain.follow_new(&mut prepared.memory.changes, &mut prepared.gadgets, limit)?;
    let come_close = |live| approach(request.tree, live, prepared, (limit, wire));
    let approach = request.live.as_ref().map(come_close).transpose()?;
    let _awake = Awake::new();
    let urgent = Urgent::new();
    let frozen = Frozen::tree(request.tree, limit)?;
    let mut times = Times { freeze: micros(frozen.since()), ..Times::default() };
    let facts =
        pass::capture(&frozen.tasks, prepared, &mut times, (request, limit, wire, &urgent))?;
    let held = match request.after {
        Action::Run => {
            times.frozen = Some(frozen.finish(Action::Run)?.as_micros() as u64);
            None
        }
        Action::Stop | Action::Kill => Some(frozen),
    };
    Ok((facts, times, approach, held))
}

fn micros(since: Instant) -> u64 {
    since.elapsed().as_micros() as u64
}
