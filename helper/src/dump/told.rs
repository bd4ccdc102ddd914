//! What a dump tells once the tree is captured: the facts, and a summary. docs/protocol.md, "Frames
//! of a dump".

use super::approach::Approach;
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

fn send_all<T: Serialize>(
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
    clocks: Clocks,
    /// The kernel's own mounts of huge pages: device, log2 of the size of a page.
    hugetlb: Vec<(u64, u32)>,
    page_bytes: u64,
    helper_peak_kib: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<Approach>,
    /// TCP connections are locked.
    network_locked: bool,
}

impl Captured {
    pub fn new(
        prepared: &Prepared,
        facts: &Facts,
        times_us: Times,
        live: Option<Approach>,
    ) -> Result<Self> {
        let own = std::process::id() as i32;
        let pages = prepared.memory.totals();
        Ok(Captured {
            tasks: facts.processes.len(),
            threads: facts.processes.iter().map(|process| process.threads.len()).sum(),
            times_us,
            pages,
            own_ns: ns::capture(own)?,
            clocks: facts.clocks,
            hugetlb: prepared.memory.hugetlb().to_vec(),
            page_bytes: (pages.copied + pages.shmem_copied) * PAGE,
            helper_peak_kib: Status::read(own)?.number("VmHWM", 10)?,
            live,
            network_locked: facts.tcp.is_locked(),
        })
    }
}

#[derive(Serialize)]
#[serde(tag = "t", rename = "done")]
pub struct Done {
    times_us: Held,
}

#[derive(Serialize)]
struct Held {
    frozen: u64,
}

impl Done {
    pub fn new(frozen: Duration) -> Self {
        Done { times_us: Held { frozen: frozen.as_micros() as u64 } }
    }
}
