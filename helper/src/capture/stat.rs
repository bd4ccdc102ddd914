//! /proc/PID/stat: one line of numbers. proc_pid_stat(5) numbers its fields from 1.

use crate::error::Result;
use crate::proc;

pub struct Stat {
    id: i32,
    text: String,
}

impl Stat {
    pub fn read(pid: i32) -> Result<Self> {
        Ok(Stat { id: pid, text: proc::text(pid, "stat")? })
    }

    /// Field `n` counting from 1, but for the second, the name, which may hold anything.
    fn field(&self, n: usize) -> Option<&str> {
        let after_name = self.text.rfind(')')? + 1;
        self.text[after_name..].split_whitespace().nth(n - 3)
    }

    /// Field 3: `R`, `S`, `D`, `Z`, `T`, `t`, `X` or `I`.
    pub fn state(&self) -> char {
        self.field(3).and_then(|state| state.chars().next()).unwrap_or('?')
    }

    /// A numeric field. Errors: `Kernel` if it is missing.
    pub fn number<T: std::str::FromStr>(&self, n: usize) -> Result<T> {
        let number = self.field(n).and_then(|field| field.parse().ok());
        number.ok_or_else(|| proc::odd(self.id, "stat", &self.text))
    }
}
