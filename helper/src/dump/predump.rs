//! The memory of a tree that runs on: pages are protected, then copied. What is written meanwhile is
//! for the next set to find.

use super::chain::{self, Chain};
use super::micros;
use super::told::{self, Captured, Done, Times};
use crate::error::{Code, Error, Result};
use crate::freeze;
use crate::limit::Limit;
use crate::memory::Running;
use crate::remote::Gadgets;
use crate::wire::{PredumpRequest, Request, Wire};
use std::time::Instant;

/// Answer a `predump` request. Errors: whatever went wrong; the files we made are gone, and the
/// next set will be a whole one.
pub fn predump(request: &PredumpRequest, limit: &Limit, wire: &Wire) -> Result<()> {
    let start = Instant::now();
    if request.track.epoch.is_none() {
        return Err(Error::new(Code::Protocol, "a set of pages alone needs an epoch"));
    }
    let (chain, mut changes) = Chain::begin(request.tree, Some(&request.track), false)?;
    let mut memory = Running::prepare(request)?;
    let mut gadgets = Gadgets::default();
    let pids: Vec<i32> = chain::owners(request.tree)?.iter().map(|key| key.pid).collect();
    gadgets.prepare(&pids);
    let stopped = chain.follow_new(&mut changes, &mut gadgets, limit)?;
    let mut times = Times { frozen: Some(stopped.as_micros() as u64), ..Times::default() };

    let scan = Instant::now();
    let pids: Vec<i32> = chain::owners(request.tree)?.iter().map(|key| key.pid).collect();
    memory.scan(&pids, &mut changes, limit)?;
    times.scan = micros(scan);

    let copy = Instant::now();
    freeze::quiesce(request.tree, limit)?;
    memory.copy(limit, &mut |done, total| wire.progress("copy", done, total))?;
    times.copy = micros(copy);
    times.total = micros(start);

    told::send_all(memory.pagemap_frames(), limit, wire)?;
    let track = chain.told(&changes);
    wire.send(&Captured::of_pages(pids.len(), memory.totals(), times, track)?, limit)?;
    match wire.receive(limit)? {
        Request::Finish { .. } => {}
        _ => return Err(Error::new(Code::Protocol, "expected finish")),
    }
    chain.commit(&changes)?;
    memory.keep();
    wire.send(&Done::new(None), limit)
}
