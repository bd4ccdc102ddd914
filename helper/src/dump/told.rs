//! What a dump tells once the tree is captured: the facts, and a summary. docs/protocol.md, "Frames
//! of a dump".

use super::approach::Approach;
use super::chain::Tracked;
use super::pass::{Facts, Prepared};
use crate::capture::ns::{self, Namespaces};
use crate::capture::status::Status;
use crate::error::Result;
use crate::limit::Limit;
use crate::memory::{Totals, PAGE};
use crate::sys;
use crate::value::Hex;
use crate::wire::Wire;
use serde::Serialize;
use std::time::Duration;

/// Send the facts, kind by kind.
pub fn send(prepared: &Prepared, facts: &Facts, limit: &Limit, wire: &Wire) -> Result<()> {
    let Facts { processes, files, .. } = facts;
    send_all(processes.iter().map(|process| &process.task), limit, wire)?;
    send_all(processes.iter().flat_map(|process| &process.threads), limit, wire)?;
    send_all(prepared.memory.vmas_frames(), limit, wire)?;
    send_all(files.files.iter(), limit, wire)?;
    send_all(files.tables.iter(), limit, wire)?;
    send_all(files.pipes.iter(), limit, wire)?;
    send_all(files.ghosts.ghosts.iter(), limit, wire)?;
    send_all(prepared.memory.shmem_frames(), limit, wire)?;
    send_all(prepared.memory.pagemap_frames(), limit, wire)
}

pub fn send_all<T: Serialize>(
    mut frames: impl Iterator<Item = T>,
    limit: &Limit,
    wire: &Wire,
) -> Result<()> {
    frames.try_for_each(|frame| wire.send(&frame, limit))
}

/// Microseconds.
#[derive(Clone, Copy, Default, Serialize)]
pub struct Times {
    pub freeze: u64,
    pub capture: u64,
    pub scan: u64,
    pub copy: u64,
    /// Making snapshot children.
    #[serde(skip)]
    pub clone: Option<u64>,
    /// Of all tries; None while the tree is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<u64>,
    pub total: u64,
}

/// As they stood while the tree was frozen.
#[derive(Clone, Copy, Serialize)]
pub struct Clocks {
    monotonic_ns: Hex,
    boottime_ns: Hex,
}

impl Clocks {
    pub fn now() -> Self {
        Clocks {
            monotonic_ns: Hex(sys::clock_ns(libc::CLOCK_MONOTONIC)),
            boottime_ns: Hex(sys::clock_ns(libc::CLOCK_BOOTTIME)),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "t", rename = "captured")]
pub struct Captured {
    tasks: usize,
    threads: usize,
    times_us: Times,
    pages: Totals,
    own_ns: Namespaces,
    #[serde(skip_serializing_if = "Option::is_none")]
    clocks: Option<Clocks>,
    /// The kernel's own mounts of huge pages: device, log2 of the size of a page.
    hugetlb: Vec<(u64, u32)>,
    page_bytes: u64,
    helper_peak_kib: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<Approach>,
    #[serde(skip_serializing_if = "Option::is_none")]
    track: Option<Tracked>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<SnapshotTold>,
    /// TCP connections are locked.
    network_locked: bool,
}

/// docs/protocol.md, "captured".
#[derive(Clone, Copy, Serialize)]
pub struct SnapshotTold {
    /// Microseconds of the pause that the children took, and of the stop in which they went.
    pub clone_us: u64,
    pub reap_us: u64,
    /// Pages that were copied after the thaw.
    pub copied_after: u64,
}

impl Captured {
    pub fn new(
        prepared: &Prepared,
        facts: &Facts,
        times_us: Times,
        (live, track, snapshot): (Option<Approach>, Option<Tracked>, Option<SnapshotTold>),
    ) -> Result<Self> {
        let captured =
            Captured::of_pages(facts.processes.len(), prepared.memory.totals(), times_us, track)?;
        Ok(Captured {
            threads: facts.processes.iter().map(|process| process.threads.len()).sum(),
            clocks: Some(facts.clocks),
            hugetlb: prepared.memory.hugetlb().to_vec(),
            live,
            snapshot,
            network_locked: facts.tcp.is_locked(),
            ..captured
        })
    }

    /// Of a set of pages alone.
    pub fn of_pages(
        tasks: usize,
        pages: Totals,
        times_us: Times,
        track: Option<Tracked>,
    ) -> Result<Self> {
        let own = std::process::id() as i32;
        Ok(Captured {
            tasks,
            threads: 0,
            times_us,
            pages,
            own_ns: ns::capture(own)?,
            clocks: None,
            hugetlb: Vec::new(),
            page_bytes: (pages.copied + pages.shmem_copied) * PAGE,
            helper_peak_kib: Status::read(own)?.number("VmHWM", 10)?,
            live: None,
            track,
            snapshot: None,
            network_locked: false,
        })
    }
}

#[derive(Serialize)]
#[serde(tag = "t", rename = "done")]
pub struct Done {
    #[serde(skip_serializing_if = "Option::is_none")]
    times_us: Option<Held>,
}

#[derive(Serialize)]
struct Held {
    frozen: u64,
}

impl Done {
    /// How long the tree was held, if it was until now.
    pub fn new(frozen: Option<Duration>) -> Self {
        Done { times_us: frozen.map(|frozen| Held { frozen: frozen.as_micros() as u64 }) }
    }
}
