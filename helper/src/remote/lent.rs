//! Threads that are lent to us: from the first change of their registers until all is put back.

#[cfg(test)]
mod tests;

use super::gadget;
use super::script::Results;
use super::site::{Laid, Site};
use super::Job;
use crate::error::{Code, Error, Result};
use crate::limit::Limit;
use crate::stop::{self, Stop, Waited};
use crate::sys::{self, Resume};
use libc::user_regs_struct;
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use std::mem::offset_of;
use std::time::Duration;

/// The calls made here never sleep; a thread that does not come back is kept from running, by a
/// frozen control group for instance.
const PATIENCE: Duration = Duration::from_secs(2);

/// Dropping it puts everything back.
pub struct Lent<'a, 'm> {
    sites: &'a mut [Site<'m>],
    threads: Vec<Thread<'a>>,
}

struct Thread<'a> {
    /// Its number among the sites.
    site: usize,
    job: &'a Job<'a>,
    /// Registers between two calls: at the `ret`, with the frame on top of the stack.
    rest: user_regs_struct,
    /// Where calls write to.
    room: u64,
    returned: Vec<i64>,
    /// A SIGSTOP came while the thread ran for us, to be sent again when it is its own.
    stopped: bool,
}
impl<'a, 'm> Lent<'a, 'm> {
    /// Borrow the threads of the jobs: the nth list of them at the nth site, which has to have room
    /// for them.
    pub fn begin(sites: &'a mut [Site<'m>], jobs: &[&'a [Job<'a>]]) -> Result<Self> {
        let mut lent = Lent { sites, threads: Vec::new() };
        for (number, &jobs) in jobs.iter().enumerate() {
            let places = lent.sites[number].lay(jobs)?;
            for (job, place) in jobs.iter().zip(places) {
                lent.borrow(number, job, place)?;
            }
        }
        Ok(lent)
    }

    fn borrow(&mut self, number: usize, job: &'a Job<'a>, place: Laid) -> Result<()> {
        let site = &mut self.sites[number];
        let rest = user_regs_struct {
            rip: site.syscall + gadget::SYSCALL_LEN,
            rsp: place.frame,
            orig_rax: u64::MAX, // no system call to restart
            ..job.context.regs.0
        };
        let (room, returned) = (place.room, Vec::with_capacity(job.script.len()));
        let thread = Thread { site: number, job, rest, room, returned, stopped: false };
        if job.seccomp {
            thread.suspend_seccomp()?;
        }
        // From here on, and until its registers are back, its frame has to stay.
        site.busy += 1;
        let set_out = thread.set_out();
        self.threads.push(thread);
        set_out
    }

    /// Make all calls: everybody's first, everybody's second, and so on.
    pub fn run(&mut self) -> Result<()> {
        let rounds = self.threads.iter().map(|thread| thread.job.script.len()).max().unwrap_or(0);
        for n in 0..rounds {
            let calling = |thread: &&mut Thread| n < thread.job.script.len();
            for thread in self.threads.iter_mut().filter(calling) {
                thread.call(n)?;
            }
            for thread in self.threads.iter_mut().filter(calling) {
                thread.wait_syscall_stop()?; // at its entry
                thread.resume()?;
            }
            for thread in self.threads.iter_mut().filter(calling) {
                thread.wait_syscall_stop()?; // at its exit
                thread.take_result()?;
            }
        }
        Ok(())
    }

    /// Put everything back and tell what the calls brought, each with the number of its site.
    pub fn end(mut self) -> Result<Vec<(usize, Results)>> {
        let mut results = Vec::with_capacity(self.threads.len());
        while let Some(mut thread) = self.threads.pop() {
            let site = &mut self.sites[thread.site];
            thread.put_back(site).map_err(|errno| thread.failed(errno))?;
            let returned = std::mem::take(&mut thread.returned);
            thread.job.script.check(thread.job.tid, &returned)?;
            let bytes = site.read(thread.room, thread.job.script.room_size())?;
            results.push((thread.site, Results { returned, bytes }));
        }
        results.reverse();
        Ok(results)
    }
}

impl Drop for Lent<'_, '_> {
    fn drop(&mut self) {
        for thread in &self.threads {
            // It fails only if the thread is dead, or runs: then it heals itself when let go.
            let _ = thread.put_back(&mut self.sites[thread.site]);
        }
    }
}

impl Thread<'_> {
    /// To the `ret`; and only then are signals blocked, since from there the mask comes back too.
    fn set_out(&self) -> Result<()> {
        set_regs(self.job.tid, self.rest)
            .and_then(|()| sys::ptrace_set_sigmask(self.job.tid, u64::MAX))
            .map_err(|errno| self.failed(errno))
    }

    /// Put registers and mask back. The mask first: in between, the frame still heals.
    fn put_back(&self, site: &mut Site) -> nix::Result<()> {
        let Job { pid, tid, context, .. } = *self.job;
        sys::ptrace_set_sigmask(tid, context.sigmask)?;
        if let Some(rseq) = context.rseq.as_ref().filter(|rseq| rseq.cs.0 != 0) {
            let _ = rseq.put_back(site.memory);
        }
        set_regs(tid, context.regs.0)?;
        site.busy -= 1;
        if self.stopped {
            kill(Pid::from_raw(pid), Signal::SIGSTOP)?;
        }
        Ok(())
    }

    /// Until we let go of it, and not a moment longer, the thread's filter does not see its calls.
    fn suspend_seccomp(&self) -> Result<()> {
        const PTRACE_O_SUSPEND_SECCOMP: i32 = 1 << 21;
        let options = Options::PTRACE_O_TRACESYSGOOD.bits() | PTRACE_O_SUSPEND_SECCOMP;
        let options = Options::from_bits_retain(options);
        ptrace::setoptions(Pid::from_raw(self.job.tid), options).map_err(|errno| {
            Error::of_task(self.job.tid, "putting its seccomp filter aside", errno)
                .with_remedy("run ckpt with CAP_SYS_ADMIN, and under no seccomp filter itself")
        })
    }

    fn call(&self, n: usize) -> Result<()> {
        let (nr, args) = self.job.script.nth(n, self.room);
        let regs = user_regs_struct {
            rip: self.rest.rip - gadget::SYSCALL_LEN,
            rax: nr,
            rdi: args[0],
            rsi: args[1],
            rdx: args[2],
            r10: args[3],
            r8: args[4],
            r9: args[5],
            ..self.rest
        };
        set_regs(self.job.tid, regs).map_err(|errno| self.failed(errno))?;
        self.resume()
    }

    fn resume(&self) -> Result<()> {
        let result = sys::ptrace_resume(self.job.tid, Resume::Syscall, 0);
        result.map_err(|errno| self.failed(errno))
    }

    fn wait_syscall_stop(&mut self) -> Result<()> {
        let tid = self.job.tid;
        loop {
            match stop::wait(tid, PATIENCE, &Limit::default())? {
                Waited::Stopped(Stop::Syscall) => return Ok(()),
                Waited::Stopped(Stop::Signal(libc::SIGSTOP)) => self.stopped = true,
                // SIGCONT to a stopped process, or the like: no part of the call.
                Waited::Stopped(Stop::Group(_) | Stop::Interrupted) => {}
                Waited::Stopped(Stop::Signal(signo)) => {
                    let what = format!("thread {tid} took signal {signo}, though it was blocked");
                    return Err(Error::new(Code::Internal, what));
                }
                Waited::Gone => return Err(self.failed(Errno::ESRCH)),
                Waited::Running => return Err(not_running(tid)),
            }
            self.resume()?;
        }
    }

    fn take_result(&mut self) -> Result<()> {
        const RAX: usize = offset_of!(user_regs_struct, rax); // which begins struct user
        let result = ptrace::read_user(Pid::from_raw(self.job.tid), RAX as *mut _);
        self.returned.push(result.map_err(|errno| self.failed(errno))?);
        Ok(())
    }

    fn failed(&self, errno: Errno) -> Error {
        Error::of_task(self.job.tid, "making a system call in it", errno)
    }
}

fn set_regs(tid: i32, regs: user_regs_struct) -> nix::Result<()> {
    ptrace::setregs(Pid::from_raw(tid), regs)
}

fn not_running(tid: i32) -> Error {
    Error::new(Code::Kernel, format!("thread {tid} is kept from running a system call"))
        .with_pid(tid)
        .with_remedy("thaw its control group")
}
