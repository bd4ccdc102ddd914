//! The control groups of a process. cgroups(7).

use crate::error::Result;
use crate::proc;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cgroup {
    /// Separated by commas; empty for the unified hierarchy.
    controllers: String,
    path: String,
}

/// /proc/PID/cgroup: lines of `HIERARCHY:CONTROLLERS:PATH`. Empty where the kernel has none.
pub fn capture(pid: i32) -> Result<Vec<Cgroup>> {
    let text = proc::text(pid, "cgroup")?;
    let parse = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        Some(Cgroup { controllers: controllers.to_owned(), path: path.to_owned() })
    };
    let all: Option<_> = text.lines().map(parse).collect();
    all.ok_or_else(|| proc::odd(pid, "cgroup", &text))
}
