//! The frames of a server of pages. docs/protocol.md, "serve".

use serde::Serialize;

/// Pages that only the orchestrator can get.
#[derive(Serialize)]
#[serde(tag = "t", rename = "need")]
pub struct Need {
    pub id: u64,
    pub pid: i32,
    pub page: u64,
    pub count: u64,
}

/// Restores may connect now.
#[derive(Serialize)]
#[serde(tag = "t", rename = "listening")]
pub struct Listening {}

/// A restore handed over its first task.
#[derive(Serialize)]
#[serde(tag = "t", rename = "begun")]
pub struct Begun {
    pub session: u64,
    /// Of the restoring program, as we see it.
    pub pid: i32,
}

/// Nothing is missing any more in what a restore brought up.
#[derive(Serialize)]
#[serde(tag = "t", rename = "ended")]
pub struct Ended {
    pub session: u64,
    /// The restore said that it is finished.
    pub finished: bool,
    #[serde(flatten)]
    pub counts: Totals,
    pub latency_us: Latency,
    pub us: u64,
}

/// What a session came to. All but `tasks`, `children` and `faults` count pages.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Totals {
    pub tasks: u64,
    /// Processes that those forked while pages were missing.
    pub children: u64,
    pub faults: u64,
    /// Brought because a thread waited for one of them.
    pub demanded: u64,
    /// Brought in the background.
    pub prefetched: u64,
    /// Not in the table, and empty.
    pub zero: u64,
    /// Unmapped or emptied before they were brought.
    pub dropped: u64,
    /// There already.
    pub present: u64,
    /// Not to be had: who touches them gets a SIGBUS.
    pub poisoned: u64,
}

/// How long threads waited, from when their fault was read; in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latency {
    pub p50: u64,
    pub p99: u64,
    pub max: u64,
}

/// Pages that could not be had.
#[derive(Serialize)]
#[serde(tag = "t", rename = "failed")]
pub struct Failed<'a> {
    pub session: u64,
    pub pid: i32,
    pub page: u64,
    pub count: u64,
    pub reason: &'a str,
}

/// A connection that is no restore of ours.
#[derive(Serialize)]
#[serde(tag = "t", rename = "refused")]
pub struct Refused<'a> {
    pub reason: &'a str,
}

/// Pages in the order in which they were first touched, in pairs: first page, count.
#[derive(Serialize)]
#[serde(tag = "t", rename = "touched")]
pub struct Touched {
    pub session: u64,
    pub pid: i32,
    pub runs: Vec<u64>,
}

#[derive(Serialize)]
#[serde(tag = "t", rename = "done")]
pub struct Done {}
