//! /proc/PID/status, one read of which tells most of what there is to know of a thread from
//! outside. proc_pid_status(5).

use crate::error::{Error, Result};
use crate::proc;
use std::str::SplitWhitespace;

pub struct Status {
    id: i32,
    text: String,
}

impl Status {
    /// `id`: a process or a thread.
    pub fn read(id: i32) -> Result<Self> {
        Ok(Status { id, text: proc::text(id, "status")? })
    }

    /// Of a thread of process `pid`. The kernel keeps these entries from one look to the next,
    /// and those of /proc/TID it makes anew each time.
    pub fn of_thread(pid: i32, tid: i32) -> Result<Self> {
        Ok(Status { id: tid, text: proc::text(pid, &format!("task/{tid}/status"))? })
    }

    /// The thread's name.
    pub fn comm(&self) -> Result<String> {
        match self.text.lines().next().and_then(|line| line.strip_prefix("Name:\t")) {
            // Only here, the kernel escapes newlines and backslashes: fs/proc/array.c.
            Some(name) if !name.contains('\\') => Ok(name.to_owned()),
            _ => proc::comm(self.id),
        }
    }

    /// Is the thread confined by seccomp(2)?
    pub fn confined(&self) -> bool {
        self.field("Seccomp").is_some_and(|mode| mode != "0")
    }

    /// What stands after `NAME:`, if there is such a line.
    pub fn field(&self, name: &str) -> Option<&str> {
        let is_field = |at: usize| {
            let starts_line = at == 0 || self.text.as_bytes()[at - 1] == b'\n';
            starts_line && self.text.as_bytes().get(at + name.len()) == Some(&b':')
        };
        let (at, _) = self.text.match_indices(name).find(|&(at, _)| is_field(at))?;
        self.text[at + name.len() + 1..].lines().next().map(str::trim)
    }

    /// Errors: `Kernel` if the line is missing.
    pub fn words(&self, name: &str) -> Result<SplitWhitespace<'_>> {
        let field = self.field(name).ok_or_else(|| self.odd(name))?;
        Ok(field.split_whitespace())
    }

    /// The first word, in `radix`. Errors: `Kernel` if it is missing or no such number.
    pub fn number(&self, name: &str, radix: u32) -> Result<u64> {
        let word = self.words(name)?.next().unwrap_or_default();
        u64::from_str_radix(word, radix).map_err(|_| self.odd(name))
    }

    /// The error for a line that is not as expected.
    pub fn odd(&self, name: &str) -> Error {
        proc::odd(self.id, "status", name)
    }
}
