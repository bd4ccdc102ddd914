//! System calls made by stopped threads of the target, for what only they can ask the kernel.
//!
//! No code enters the target (law 2): a thread is pointed at a `syscall; ret` that some library of
//! its own holds (gadget.rs), and stopped by PTRACE_SYSCALL at the call's entry and exit.
//!
//! And the target outlives us (law 3). Before any register changes, the thread's whole context is
//! laid in dead memory (site.rs) as the frame of a signal handler (frame.rs), and the stack pointer
//! that the thread is given points at it. When its tracer dies, wherever that be, the kernel lets
//! the thread go on: it makes the call at hand, returns by the `ret` to the frame's first word,
//! which is the address of an rt_sigreturn, and so gets back its registers, its vector registers
//! and its signal mask. Until then all signals are blocked, so that no handler sees it on the way.
//!
//! Calls that write their answers to memory are made in chains, without a stop: the `ret` of each
//! leads to a frame of its own, whose rt_sigreturn sets out for the next, and the last sends the
//! thread a signal that it ignores, for which it stops (bell.rs). A tracer that dies on the way
//! changes nothing: the chain goes on to its end, which is the thread's own frame. A thread whose
//! system call restarts by a restart_block makes no chains.
//!
//! Otherwise, as long as the tracer lives nothing goes that way: it puts the registers back itself,
//! and what the kernel notes of an interrupted nanosleep, poll or futex (restart_block), which
//! rt_sigreturn would forget, is as it was. The thread's sleep goes on as if nothing had been.
//!
//! A call that makes a descriptor returns to a frame which sets out to close it: so a tracer that
//! dies before it has fetched that leaves none behind. A child that is made (child.rs) begins at a
//! frame which sets out to end it.
//!
//! PTRACE_SINGLESTEP would make one stop of two, but must not be used: the trap flag outlives the
//! tracer, and the SIGTRAP that comes of it kills the thread; and where SIGTRAP is blocked or
//! ignored, that signal resets its action.
//!
//! A stop takes 2.5 us where tracer and thread share a CPU, about 5 us between two that are awake,
//! and two to three times as long in some virtual machines.
//! On a busy machine it takes as long as it takes to get a CPU: then threads make their calls side
//! by side, as many as there is dead memory for, and so wait together.

mod bell;
mod child;
mod frame;
mod gadget;
mod lent;
mod script;
mod site;

pub use bell::Bell;
pub use child::{Child, NAME as CHILD};
pub use frame::is_needed as is_healing;
pub use gadget::Gadgets;
pub use script::{Arg, Asked, Results, Room, Script};
pub use site::Site;

use crate::capture::regs::Context;
use crate::error::Result;
use lent::Lent;
use script::Makes;
use std::time::Instant;

/// A thread in a ptrace-stop, which was seized with PTRACE_O_TRACESYSGOOD, what it was doing when
/// it was stopped, and what it is to do for us.
pub struct Job<'a> {
    pub pid: i32,
    pub tid: i32,
    /// It is confined by seccomp(2).
    pub seccomp: bool,
    pub context: &'a Context,
    pub script: &'a Script,
    /// With it, calls are made in chains where they can be.
    pub bell: Option<Bell>,
}

impl Job<'_> {
    /// The calls that are made in chains.
    fn chained(&self) -> impl Iterator<Item = usize> + '_ {
        self.bell.iter().flat_map(|_| self.script.writing())
    }

    /// Bytes of frames for a chain, for the one that closes what is to be fetched, or for a child.
    fn steps_size(&self) -> u64 {
        let making = (0..self.script.len()).map(|n| match self.script.makes(n) {
            Some(Makes::Child) => child::STEPS,
            Some(Makes::Descriptor(_)) => 1,
            None => 0,
        });
        let steps = self.chained().take(lent::CHAIN).count().max(making.max().unwrap_or(0));
        steps as u64 * frame::STEP
    }
}

/// Microseconds that a call takes in a crowd; alone, a thread makes it in 5 to 10.
const SLOW: u128 = 50;

/// Have threads make their calls and put everything back: the nth list of jobs at the nth site.
/// Results are in the order of the jobs.
///
/// Errors: `TargetGone` if a thread was killed meanwhile, `Kernel` if one is kept from running,
/// `Permission` if a seccomp filter is in the way, or for a call that had to succeed. Whatever
/// could be put back has been; a thread that still runs heals itself when it is let go.
pub fn run(sites: &mut [Site], jobs: &[Vec<Job>]) -> Result<Vec<Vec<Results>>> {
    let mut results: Vec<Vec<Results>> = jobs.iter().map(|_| Vec::new()).collect();
    let mut side_by_side = false;
    loop {
        let lists = sites.iter().zip(jobs).zip(&results);
        let left = lists.map(|((site, jobs), done)| site.next(jobs, done.len()));
        let mut now: Vec<&[Job]> = left.collect();
        if !side_by_side {
            only_first(&mut now);
        }
        let calls = now.iter().flat_map(|jobs| *jobs).map(|job| job.script.len()).max();
        let Some(calls) = calls else { return Ok(results) };
        let start = Instant::now();
        let mut lent = Lent::begin(sites, &now)?;
        lent.run()?;
        for (site, result) in lent.end()? {
            results[site].push(result);
        }
        side_by_side |= start.elapsed().as_micros() > SLOW * calls as u128;
    }
}

fn only_first(lists: &mut [&[Job]]) {
    let mut left = 1;
    for jobs in lists {
        *jobs = &jobs[..left.min(jobs.len())];
        left -= jobs.len();
    }
}
