//! What a child is born to, in memory that is dead in its parent, and how it is settled.

use super::Thread;
use crate::error::{Error, Result};
use crate::proc;
use crate::remote::child::{Calls, Child, NAME};
use crate::remote::site::Site;
use crate::remote::{frame, Job};
use nix::sys::ptrace::{self, Options};
use nix::unistd::Pid;
use std::os::unix::fs::FileExt;

const CLOSE_RANGE_UNSHARE: u64 = 1 << 1;

/// The frames that name a child and end it, and its name, which lie there; and its calls, by number and
/// arguments.
pub(super) struct Cradle(pub u64);

impl Cradle {
    fn name(&self) -> u64 {
        self.0 + 2 * frame::STEP
    }

    /// Of the frame that ends it.
    pub fn end(&self) -> u64 {
        self.0 + frame::STEP
    }

    pub fn naming(&self) -> (u64, [u64; 6]) {
        (libc::SYS_prctl as u64, [libc::PR_SET_NAME as u64, self.name(), 0, 0, 0, 0])
    }

    pub fn closing() -> (u64, [u64; 6]) {
        (libc::SYS_close_range as u64, [0, u64::from(u32::MAX), CLOSE_RANGE_UNSHARE, 0, 0, 0])
    }

    pub fn ending() -> (u64, [u64; 6]) {
        (libc::SYS_exit_group as u64, [0; 6])
    }

    /// Its bytes. `naming` and `ending`: the frames of these calls.
    pub fn bytes(&self, naming: Vec<u8>, ending: Vec<u8>) -> Vec<u8> {
        let mut bytes = [naming, ending, NAME.into()].concat();
        bytes.push(0);
        bytes
    }
}

impl Thread<'_> {
    /// Have children be ours, and lay the frames that they are born to; where those lie.
    pub(super) fn lay_cradle(&self, site: &Site) -> Result<u64> {
        let options = self.options() | Options::PTRACE_O_TRACECLONE;
        ptrace::setoptions(Pid::from_raw(self.job.tid), options).map_err(|e| self.failed(e))?;
        let cradle = Cradle(self.steps);
        let step = |call, next| {
            frame::step(site.restorer, &self.calling(call, next), u64::MAX, self.rest.rsp)
        };
        let naming = step(cradle.naming(), cradle.end());
        let ending = step(Cradle::ending(), self.rest.rsp);
        site.write(&cradle.bytes(naming, ending), self.steps)?;
        Ok(self.steps)
    }

    /// Settle the child that was made, if it was.
    pub(super) fn adopt(&self) -> Result<()> {
        let cradle = Cradle(self.steps);
        let calls = Calls {
            name: self.calling(cradle.naming(), cradle.end()),
            close: self.calling(Cradle::closing(), cradle.end()),
        };
        self.children.iter().try_for_each(|child| child.settle(&calls, self.options()))
    }

    /// In a child, put back the memory that was its parent's before this call.
    pub(super) fn put_back_in(&self, child: &Child, site: &Site) -> Result<()> {
        let memory = child.memory()?;
        let at = self.job.context.rseq.as_ref().map_or(0, |rseq| rseq.ptr.0);
        site.put_back_in(&memory)
            .and_then(|()| memory.write_all_at(&self.area, at))
            .map_err(|e| Error::of_task(child.pid, "putting its memory back", proc::errno(&e)))
    }
}

/// An area that cannot be read is one that the kernel does not write to either.
pub(super) fn area_of(job: &Job, site: &Site) -> Vec<u8> {
    let rseq = job.context.rseq.as_ref().filter(|_| job.script.forks());
    rseq.and_then(|rseq| rseq.area(site.memory).ok()).unwrap_or_default()
}
