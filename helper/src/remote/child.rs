//! A child that a stopped process is made to have by clone(2): a copy of its address space, as it is
//! at that moment, copied page by page only when its parent writes to it. It never runs an
//! instruction of the program's own.
//!
//! It is born a tracee of ours, stopped (PTRACE_O_TRACECLONE), and dies with us (PTRACE_O_EXITKILL).
//! That option would kill the parent too if it were set there, from where a child inherits its
//! options; so until it is set, the child stands before a frame that sets out to end it: should its
//! tracer die then, it gives itself its name, and ends.
//!
//! It makes no signal when it ends, and wait(2) does not find it but with __WALL; yet it is a zombie
//! until its parent waits for it, which takes a remote call more (capture/process/child.rs). By its
//! name it is known even if we are killed before that.
//!
//! Its memory is read through /proc/PID/mem: process_vm_readv(2) pins pages, and pages that are
//! shared with the parent would be copied for that (FOLL_PIN unshares, mm/gup.c).

use crate::error::{Code, Error, Result};
use crate::limit::Limit;
use crate::proc;
use crate::stop::{self, Stop, Waited};
use crate::sys::{self, Resume};
use libc::user_regs_struct;
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use std::fs::{File, OpenOptions};
use std::time::Duration;

/// Its name, as ps(1) shows it.
pub const NAME: &str = "ckpt-snapshot";

/// Frames that its life takes: to name it, to end it, and room for its name.
pub(super) const STEPS: usize = 3;

/// How long it may take to make a stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// Dropping it kills it.
pub struct Child {
    pub pid: i32,
}

/// The registers with which a child makes its calls: to get its name, to close all descriptors. Each
/// returns to the frame that ends it.
pub(super) struct Calls {
    pub name: user_regs_struct,
    pub close: user_regs_struct,
}

impl Child {
    /// Of this process, just made.
    pub(super) fn new(pid: i32) -> Self {
        Child { pid }
    }

    /// From its birth on: have it named, bound to our life, and without descriptors. `options` are
    /// its parent's.
    pub(super) fn settle(&self, calls: &Calls, options: Options) -> Result<()> {
        self.wait_born()?;
        self.call(&calls.name)?;
        let options = options | Options::PTRACE_O_EXITKILL;
        ptrace::setoptions(Pid::from_raw(self.pid), options).map_err(|e| self.failed(e))?;
        // With its own table of descriptors, which is empty, it keeps nothing open.
        self.call(&calls.close)?;
        // Where memory is short it goes first; it may always be put there.
        let _ = std::fs::write(format!("/proc/{}/oom_score_adj", self.pid), "1000");
        Ok(())
    }

    pub(super) fn wait_born(&self) -> Result<()> {
        match stop::wait(self.pid, PATIENCE, &Limit::default())? {
            Waited::Stopped(_) => Ok(()),
            _ => Err(self.failed(Errno::ESRCH)),
        }
    }

    /// /proc/PID/mem, to read and to write.
    pub fn memory(&self) -> Result<File> {
        let path = format!("/proc/{}/mem", self.pid);
        let file = OpenOptions::new().read(true).write(true).open(path);
        file.map_err(|e| self.failed(proc::errno(&e)))
    }

    /// Have it make a call that has to succeed.
    pub(super) fn call(&self, regs: &user_regs_struct) -> Result<()> {
        let set = ptrace::setregs(Pid::from_raw(self.pid), *regs);
        set.map_err(|errno| self.failed(errno))?;
        for _entry_then_exit in 0..2 {
            self.resume()?;
            self.wait_syscall_stop()?;
        }
        let result = ptrace::getregs(Pid::from_raw(self.pid)).map_err(|e| self.failed(e))?.rax;
        match result as i64 {
            0 => Ok(()),
            errno => Err(self.failed(Errno::from_raw(-errno as i32))),
        }
    }

    /// Of other stops none matters: its signals are nobody's.
    fn wait_syscall_stop(&self) -> Result<()> {
        loop {
            match stop::wait(self.pid, PATIENCE, &Limit::default())? {
                Waited::Stopped(Stop::Syscall) => return Ok(()),
                Waited::Stopped(_) => self.resume()?,
                Waited::Gone => return Err(self.failed(Errno::ESRCH)),
                Waited::Running => return Err(self.failed(Errno::EBUSY)),
            }
        }
    }

    fn resume(&self) -> Result<()> {
        sys::ptrace_resume(self.pid, Resume::Syscall, 0).map_err(|errno| self.failed(errno))
    }

    fn failed(&self, errno: Errno) -> Error {
        let message = format!("pid {}: preparing a snapshot child: {}", self.pid, errno.desc());
        let mut error = Error::new(Code::Kernel, message).with_pid(self.pid);
        error.errno = Some(errno as i32);
        error.with_remedy("dump without --snapshot")
    }
}

impl Drop for Child {
    /// Kill it, and see its end, as which its parent can wait for it.
    fn drop(&mut self) {
        if kill(Pid::from_raw(self.pid), Signal::SIGKILL).is_ok() {
            while let Ok(Waited::Stopped(_)) = stop::wait(self.pid, PATIENCE, &Limit::default()) {}
        }
    }
}
