//! Threads that are lent to us: from the first change of their registers until all is put back.

mod cradle;
#[cfg(test)]
mod tests;

use super::child::Child;
use super::script::{Makes, Results};
use super::site::{Laid, Site};
use super::Job;
use super::{frame, gadget};
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
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// The calls made here never sleep; a thread that does not come back is kept from running, by a
/// frozen control group for instance.
const PATIENCE: Duration = Duration::from_secs(2);

/// But one that makes a child copies the page tables: 20 ms for each GiB of small pages.
const FORKING: Duration = Duration::from_secs(60);

/// Calls of a chain. More frames would touch more of the target's memory.
pub(super) const CHAIN: usize = 12;

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
    /// Where the frames of a chain lie.
    steps: u64,
    /// The calls that it makes in chains.
    chained: Vec<usize>,
    /// What calls returned, those that were made.
    returned: Vec<Option<i64>>,
    /// Descriptors that it made for us.
    fetched: Vec<OwnedFd>,
    /// What its area of restartable sequences held, if it is to make a child.
    area: Vec<u8>,
    /// Children that it made for us.
    children: Vec<Child>,
    /// Signals that came while the thread ran for us, to be sent again when it is its own.
    again: Vec<Signal>,
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
        let thread = Thread {
            site: number,
            job,
            rest,
            room: place.room,
            steps: place.steps,
            chained: job.chained().collect(),
            returned: vec![None; job.script.len()],
            fetched: Vec::new(),
            area: cradle::area_of(job, site),
            children: Vec::new(),
            again: Vec::new(),
        };
        if job.seccomp {
            thread.suspend_seccomp()?;
        }
        // From here on, and until its registers are back, its frame has to stay.
        site.busy += 1;
        let set_out = thread.set_out();
        self.threads.push(thread);
        set_out
    }

    /// Make all calls: in chains those that can be, the others one by one.
    pub fn run(&mut self) -> Result<()> {
        self.run_chains()?;
        let rounds = self.threads.iter().map(|thread| thread.returned.len()).max().unwrap_or(0);
        for n in 0..rounds {
            let calling = |thread: &&mut Thread| thread.returned.get(n) == Some(&None);
            for thread in self.threads.iter_mut().filter(calling) {
                thread.call(n, &self.sites[thread.site])?;
            }
            for thread in self.threads.iter_mut().filter(calling) {
                thread.wait_syscall_stop()?; // at its entry
                thread.resume(Resume::Syscall)?;
            }
            for thread in self.threads.iter_mut().filter(calling) {
                thread.wait_syscall_stop()?; // at its exit
                thread.take_result(n)?;
                match thread.job.script.makes(n) {
                    Some(Makes::Descriptor(_)) => thread.fetch(n)?,
                    Some(Makes::Child) => thread.adopt()?,
                    None => {}
                }
            }
        }
        Ok(())
    }

    /// Everybody's first chain, everybody's second, and so on. A call whose room is as blank as
    /// before has failed: it is made again, by itself, to see why.
    fn run_chains(&mut self) -> Result<()> {
        let chains = self.threads.iter().map(|thread| thread.chains().count()).max().unwrap_or(0);
        for n in 0..chains {
            for thread in &self.threads {
                if let Some(calls) = thread.chains().nth(n) {
                    thread.set_off(calls, &self.sites[thread.site])?;
                }
            }
            for thread in self.threads.iter_mut().filter(|thread| thread.chains().nth(n).is_some())
            {
                thread.arrive()?;
            }
        }
        for thread in self.threads.iter_mut().filter(|thread| !thread.chained.is_empty()) {
            let script = thread.job.script;
            let room = self.sites[thread.site].read(thread.room, script.room_size())?;
            for &n in thread.chained.iter().filter(|&&n| !script.left_blank(n, &room)) {
                thread.returned[n] = Some(0);
            }
        }
        Ok(())
    }

    /// Put everything back and tell what the calls brought, each with the number of its site.
    pub fn end(mut self) -> Result<Vec<(usize, Results)>> {
        let mut results = Vec::with_capacity(self.threads.len());
        while let Some(thread) = self.threads.pop() {
            let site = &mut self.sites[thread.site];
            thread.put_back(site).map_err(|errno| thread.failed(errno))?;
            let returned: Vec<i64> = thread.returned.iter().flatten().copied().collect();
            thread.job.script.check(thread.job.tid, &returned)?;
            let bytes = site.read(thread.room, thread.job.script.room_size())?;
            for child in &thread.children {
                thread.put_back_in(child, site)?;
            }
            let Thread { site, fetched, children, .. } = thread;
            results.push((site, Results { returned, bytes, fetched, children }));
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
        self.again.iter().try_for_each(|&signal| kill(Pid::from_raw(pid), signal))
    }

    /// Those that hold as long as we have it.
    fn options(&self) -> Options {
        const PTRACE_O_SUSPEND_SECCOMP: i32 = 1 << 21;
        let seccomp = if self.job.seccomp { PTRACE_O_SUSPEND_SECCOMP } else { 0 };
        Options::PTRACE_O_TRACESYSGOOD | Options::from_bits_retain(seccomp)
    }

    /// Until we let go of it, and not a moment longer, the thread's filter does not see its calls.
    fn suspend_seccomp(&self) -> Result<()> {
        ptrace::setoptions(Pid::from_raw(self.job.tid), self.options()).map_err(|errno| {
            Error::of_task(self.job.tid, "putting its seccomp filter aside", errno)
                .with_remedy("run ckpt with CAP_SYS_ADMIN, and under no seccomp filter itself")
        })
    }

    fn call(&self, n: usize, site: &Site) -> Result<()> {
        let (nr, mut args) = self.job.script.nth(n, self.room);
        let mut next = self.rest.rsp;
        match self.job.script.makes(n) {
            Some(Makes::Descriptor(fd)) => next = self.lay_close(fd, site)?,
            Some(Makes::Child) => args[1] = self.lay_cradle(site)?,
            None => {}
        }
        self.make((nr, args), next)
    }

    /// Set out for a call that returns to the frame at `next`.
    fn make(&self, call: (u64, [u64; 6]), next: u64) -> Result<()> {
        set_regs(self.job.tid, self.calling(call, next)).map_err(|errno| self.failed(errno))?;
        self.resume(Resume::Syscall)
    }

    /// Lay a frame that sets out to close a descriptor; where it lies.
    fn lay_close(&self, fd: i32, site: &Site) -> Result<u64> {
        let close = self.calling(closing(fd as u64), self.rest.rsp);
        let step = frame::step(site.restorer, &close, u64::MAX, self.rest.rsp);
        site.write(&step, self.steps)?;
        Ok(self.steps)
    }

    /// Take over the descriptor that a call made, and have the thread close its own.
    fn fetch(&mut self, n: usize) -> Result<()> {
        let Some(fd @ 0..) = self.returned[n] else { return Ok(()) }; // it failed, as will be told
        let fetched = sys::pidfd_open(self.job.pid)
            .and_then(|pidfd| sys::pidfd_getfd(pidfd.as_fd(), fd as i32));
        self.make(closing(fd as u64), self.rest.rsp)?;
        self.wait_syscall_stop()?; // at its entry
        self.resume(Resume::Syscall)?;
        self.wait_syscall_stop()?; // at its exit
        self.fetched.push(fetched.map_err(|errno| self.failed(errno))?);
        Ok(())
    }

    /// Registers to make a call with, given its number and arguments, that returns to the frame at
    /// `next`.
    fn calling(&self, (nr, args): (u64, [u64; 6]), next: u64) -> user_regs_struct {
        user_regs_struct {
            rip: self.rest.rip - gadget::SYSCALL_LEN,
            rsp: next,
            rax: nr,
            rdi: args[0],
            rsi: args[1],
            rdx: args[2],
            r10: args[3],
            r8: args[4],
            r9: args[5],
            ..self.rest
        }
    }

    fn chains(&self) -> impl Iterator<Item = &[usize]> {
        self.chained.chunks(CHAIN)
    }

    /// Begin a chain: each call returns to a frame of its own, which sets out for the next, and the
    /// last rings the bell and returns to the thread's frame.
    fn set_off(&self, calls: &[usize], site: &Site) -> Result<()> {
        let Some(bell) = self.job.bell else { return Ok(()) };
        let call = |&n: &usize| self.job.script.nth(n, self.room);
        let ring = (libc::SYS_tgkill as u64, [bell.tgid, bell.tid, bell.signo as u64, 0, 0, 0]);
        let step_at = |n: usize| self.steps + n as u64 * frame::STEP;
        let steps = calls[1..].iter().map(call).chain([ring]).enumerate().map(|(n, call)| {
            let is_last = n + 1 == calls.len();
            let next = if is_last { self.rest.rsp } else { step_at(n + 1) };
            let mask = if is_last { !(1 << (bell.signo - 1)) } else { u64::MAX };
            frame::step(site.restorer, &self.calling(call, next), mask, self.rest.rsp)
        });
        let steps: Vec<u8> = steps.flatten().collect();
        site.write(&steps, self.steps)?;
        set_regs(self.job.tid, self.calling(call(&calls[0]), step_at(0)))
            .map_err(|errno| self.failed(errno))?;
        self.resume(Resume::Continue)
    }

    /// Wait for the bell at the chain's end. One that rings on the way there is somebody else's.
    fn arrive(&mut self) -> Result<()> {
        let Some(bell) = self.job.bell else { return Ok(()) };
        loop {
            self.wait_for(Stop::Signal(bell.signo), Resume::Continue)?;
            if self.register(offset_of!(user_regs_struct, rip))? as u64 == self.rest.rip {
                let blocked = sys::ptrace_set_sigmask(self.job.tid, u64::MAX);
                return blocked.map_err(|errno| self.failed(errno));
            }
            self.again.extend(Signal::try_from(bell.signo));
            self.resume(Resume::Continue)?;
        }
    }

    fn resume(&self, how: Resume) -> Result<()> {
        let result = sys::ptrace_resume(self.job.tid, how, 0);
        result.map_err(|errno| self.failed(errno))
    }

    fn wait_syscall_stop(&mut self) -> Result<()> {
        self.wait_for(Stop::Syscall, Resume::Syscall)
    }

    /// Wait for a stop, and have the thread go on from others as `how` says.
    fn wait_for(&mut self, wanted: Stop, how: Resume) -> Result<()> {
        let tid = self.job.tid;
        let patience = if self.job.script.forks() { FORKING } else { PATIENCE };
        loop {
            match stop::wait(tid, patience, &Limit::default())? {
                Waited::Stopped(stop) if stop == wanted => return Ok(()),
                Waited::Stopped(Stop::Clone) => {
                    let pid = ptrace::getevent(Pid::from_raw(tid)).map_err(|e| self.failed(e))?;
                    self.children.push(Child::new(pid as i32));
                }
                Waited::Stopped(Stop::Signal(libc::SIGSTOP)) => self.again.push(Signal::SIGSTOP),
                // SIGCONT to a stopped process, or the like: no part of the call.
                Waited::Stopped(Stop::Group(_) | Stop::Interrupted) => {}
                Waited::Stopped(Stop::Signal(signo)) => {
                    let what = format!("thread {tid} took signal {signo}, though it was blocked");
                    return Err(Error::new(Code::Internal, what));
                }
                Waited::Stopped(Stop::Syscall) => {
                    let what = format!("thread {tid} stopped at a system call");
                    return Err(Error::new(Code::Internal, what));
                }
                Waited::Gone => return Err(self.failed(Errno::ESRCH)),
                Waited::Running => return Err(not_running(tid)),
            }
            self.resume(how)?;
        }
    }

    fn take_result(&mut self, n: usize) -> Result<()> {
        self.returned[n] = Some(self.register(offset_of!(user_regs_struct, rax))?);
        Ok(())
    }

    /// The register at this offset of user_regs_struct, which begins struct user.
    fn register(&self, offset: usize) -> Result<i64> {
        let value = ptrace::read_user(Pid::from_raw(self.job.tid), offset as *mut _);
        value.map_err(|errno| self.failed(errno))
    }

    fn failed(&self, errno: Errno) -> Error {
        Error::of_task(self.job.tid, "making a system call in it", errno)
    }
}

fn closing(fd: u64) -> (u64, [u64; 6]) {
    (libc::SYS_close as u64, [fd, 0, 0, 0, 0, 0])
}

fn set_regs(tid: i32, regs: user_regs_struct) -> nix::Result<()> {
    ptrace::setregs(Pid::from_raw(tid), regs)
}

fn not_running(tid: i32) -> Error {
    Error::new(Code::Kernel, format!("thread {tid} is kept from running a system call"))
        .with_pid(tid)
        .with_remedy("thaw its control group")
}
