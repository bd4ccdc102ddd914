//! Signals: actions, queues, and the alternate stack. sigaction(2), ptrace(2) PTRACE_PEEKSIGINFO.

use crate::error::{Error, Result};
use crate::remote::{Arg, Results, Room, Script};
use crate::sys;
use crate::value::{Bytes, Hex};
use serde::Serialize;

/// As the kernel numbers them: 1 to 64.
const SIGNALS: i32 = 64;
/// struct sigaction of the kernel: handler, flags, restorer, mask.
const SIGACTION: usize = 32;
/// sizeof(sigset_t) of the kernel.
const SIGSET: u64 = 8;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sigaction {
    handler: Hex,
    flags: Hex,
    restorer: Hex,
    mask: Hex,
}

/// The question for all signal actions of a process.
pub struct Actions(Room);

impl Actions {
    /// Signals of default action are asked for too: SA_NOCLDWAIT counts without a handler.
    pub fn ask(script: &mut Script) -> Self {
        let rooms = script.room(asked().count() * SIGACTION);
        for (n, signo) in asked().enumerate() {
            let to = Arg::At(rooms.part(n * SIGACTION, SIGACTION));
            let args = [Arg::Is(signo as u64), Arg::Is(0), to, Arg::Is(SIGSET)];
            script.call("reading its signal actions", libc::SYS_rt_sigaction, args);
        }
        Actions(rooms)
    }

    /// All 64, by signal number less one; of SIGKILL and SIGSTOP, which have none, zeros.
    pub fn answer(&self, results: &Results) -> Vec<Sigaction> {
        let mut actions = vec![Sigaction::default(); SIGNALS as usize];
        for (signo, bytes) in asked().zip(results.bytes(self.0).chunks_exact(SIGACTION)) {
            let [handler, flags, restorer, mask] = words(bytes).map(Hex);
            actions[signo as usize - 1] = Sigaction { handler, flags, restorer, mask };
        }
        actions
    }
}

fn asked() -> impl Iterator<Item = i32> {
    (1..=SIGNALS).filter(|&signo| signo != libc::SIGKILL && signo != libc::SIGSTOP)
}

/// The queued signals of a stopped thread, or those of its process: siginfo_t each.
pub fn pending(tid: i32, shared: bool) -> Result<Vec<Bytes>> {
    let mut queue = Vec::new();
    loop {
        let more = sys::ptrace_siginfo(tid, shared, queue.len() as u64)
            .map_err(|e| Error::of_task(tid, "reading its pending signals", e))?;
        if more.is_empty() {
            return Ok(queue);
        }
        queue.extend(more.into_iter().map(|info| Bytes(info.to_vec())));
    }
}

/// stack_t.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Altstack {
    sp: Hex,
    size: Hex,
    flags: i32,
}

impl Altstack {
    /// Bytes of a stack_t.
    pub const SIZE: usize = 24;

    pub fn parse(bytes: &[u8]) -> Self {
        let [sp, flags, size] = words(bytes);
        Altstack { sp: Hex(sp), size: Hex(size), flags: flags as i32 }
    }
}

/// The first N 64-bit words of what the kernel wrote.
pub fn words<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = bytes.try_into().map_or(0, u64::from_ne_bytes);
    }
    words
}
