//! Tracking what a tree writes, apart from any set of images. docs/protocol.md, "track"

use super::chain::{follow_new, hand_over, owners};
use crate::error::{Code, Error, Result};
use crate::keep::{self, Key, Session};
use crate::limit::Limit;
use crate::memory::{each_running, Changes, Scanner};
use crate::remote::Gadgets;
use crate::tree;
use crate::wire::{TrackAction, TrackRequest, Wire};
use serde::Serialize;

#[derive(Default, Serialize)]
#[serde(tag = "t", rename = "track")]
struct Tracking {
    /// The keeper's pid.
    #[serde(skip_serializing_if = "Option::is_none")]
    keeper: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since_s: Option<u64>,
    spaces: usize,
    /// Pages that hold data, and those of them that the next set would hold.
    pages: u64,
    written: u64,
}

/// Answer a `track` request. Errors: `NotTracked`; those of `tree::check_root`, `Chain::follow_new`,
/// `Session`.
pub fn track(request: &TrackRequest, limit: &Limit, wire: &Wire) -> Result<()> {
    tree::check_root(request.tree)?;
    let root = Key::of(request.tree)?;
    let tracking = match (request.action, Session::open(root)?) {
        (TrackAction::Start, _) => start(root, limit)?,
        (TrackAction::Status, Some(keeper)) => status(&keeper, limit)?,
        (TrackAction::Stop, Some(keeper)) => {
            keeper.stop()?;
            Tracking::default()
        }
        (_, None) => return Err(not_tracked(root)),
    };
    wire.send(&tracking, limit)
}

fn not_tracked(root: Key) -> Error {
    let pid = root.pid;
    Error::new(Code::NotTracked, format!("pid {pid} is not tracked"))
        .with_pid(pid)
        .with_remedy(format!("ckpt track start -t {pid}"))
}

/// Unless it is tracked already: protect all that there is, and have it kept. There is no set that it
/// could be compared with yet.
fn start(root: Key, limit: &Limit) -> Result<Tracking> {
    let (keeper, kept) = Session::start(root, true)?;
    if !kept.spaces.is_empty() {
        return status(&keeper, limit);
    }
    let marked = keep::marked(&keep::overlapping(root.pid)?)?;
    let mut changes = Changes::new(true, marked);
    let mut gadgets = Gadgets::default();
    let pids = |keys: Vec<Key>| keys.iter().map(|key| key.pid).collect::<Vec<i32>>();
    gadgets.prepare(&pids(owners(root.pid)?));
    follow_new(root.pid, &mut changes, &mut gadgets, limit)?;
    let mut scanner = Scanner::new()?;
    each_running(&pids(owners(root.pid)?), |pid, vmas| {
        changes.scan(pid, vmas, &mut scanner, limit)
    })?;
    hand_over(root, keeper, &changes, None)?;
    status(&Session::open(root)?.ok_or_else(|| not_tracked(root))?, limit)
}

fn status(keeper: &Session, limit: &Limit) -> Result<Tracking> {
    let kept = keeper.status()?;
    let alive = kept.spaces.iter().filter(|(key, _)| Key::of(key.pid).is_ok_and(|now| now == *key));
    let pids: Vec<i32> = alive.map(|(key, _)| key.pid).collect();
    let mut scanner = Scanner::new()?;
    let scanned = each_running(&pids, |pid, vmas| scanner.scan(pid, vmas, true, limit))?;
    let runs = || scanned.iter().map(|(_, pages)| &pages.runs);
    Ok(Tracking {
        keeper: Some(kept.state.pid),
        epoch: kept.state.epoch,
        since_s: Some(kept.state.since_s),
        spaces: scanned.len(),
        pages: runs().map(|runs| runs.pages()).sum(),
        written: runs().map(|runs| runs.wanted(true)).sum(),
    })
}
