//! Everything about stopped processes and their threads, in the order that the kernel demands.

mod child;

pub use child::{fork, reap};

use super::refuse;
use super::regs::Context;
use super::signals;
use super::status::Status;
use super::task::{self, Paths, Task};
use super::thread::{self, Thread};
use crate::error::{Code, Error, Result};
use crate::limit::Limit;
use crate::proc;
use crate::remote::{self, Bell, Gadgets, Job, Results, Script, Site};
use crate::sys;
use crate::task::{State, Task as Frozen};
use crate::tree::Seen;
use crate::value::Bytes;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::os::fd::OwnedFd;
use std::vec::IntoIter;

/// A process and its threads; a zombie has none.
pub struct Process {
    pub task: Task,
    pub threads: Vec<Thread>,
}

/// A stopped process: all that is known of it before its threads make any system call for us. All
/// signal queues of a tree are read before, since a SIGSTOP in one would be taken on the way.
pub struct Stopped<'a> {
    process: &'a Frozen,
    memory: File,
    pending: Vec<Bytes>,
    asked: task::Questions,
    /// The leader first.
    threads: Vec<StoppedThread>,
}

struct StoppedThread {
    tid: i32,
    status: Status,
    context: Context,
    pending: Vec<Bytes>,
    asked: thread::Questions,
    script: Script,
}

/// Answers by address space, in the order of the tasks and threads that use it.
type Answers = HashMap<i32, IntoIter<Results>>;

/// Look at the living processes of the frozen tree, from outside, and whether they can be captured.
///
/// Errors: `UnsupportedObject`; `TargetChanged` if a thread has not recovered from a dump that was
/// killed the moment before; `TargetGone`, `Kernel`, those of `limit`.
pub fn look<'a>(tasks: &'a [Frozen], limit: &Limit) -> Result<Vec<Stopped<'a>>> {
    let alive = tasks.iter().filter(|task| task.state != State::Zombie);
    alive.map(|process| Stopped::look(process, limit)).collect()
}

/// Capture the tree that was looked at; `paths` are those of its living processes, in their order.
pub fn capture(
    tasks: &[Frozen],
    stopped: Vec<Stopped>,
    paths: Vec<Paths>,
    gadgets: &mut Gadgets,
) -> Result<Vec<Process>> {
    let mut answers = ask(&stopped, gadgets)?;
    let mut alive = stopped.into_iter().zip(paths);
    let process = |task: &Frozen| {
        let alive = if task.state == State::Zombie { None } else { alive.next() };
        match alive {
            Some((stopped, paths)) => stopped.tell(&mut answers, paths),
            None => Ok(Process { task: Task::zombie(task)?, threads: Vec::new() }),
        }
    };
    tasks.iter().map(process).collect()
}

/// Have all threads of the tree ask the kernel, side by side.
fn ask(stopped: &[Stopped], gadgets: &mut Gadgets) -> Result<Answers> {
    let spaces = spaces(stopped);
    let pids: Vec<i32> = spaces.iter().map(|space| space[0].process.pid).collect();
    let jobs: Vec<_> = spaces.iter().map(|space| jobs_of(space)).collect();
    let results = run(&spaces, &jobs, gadgets)?;
    Ok(pids.into_iter().zip(results.into_iter().map(Vec::into_iter)).collect())
}

/// Have each of these address spaces, named by their first processes, make a userfaultfd of itself
/// for us, which it does not keep.
pub fn make_userfaultfds(
    stopped: &[Stopped],
    wanted: &[i32],
    gadgets: &mut Gadgets,
) -> Result<Vec<(i32, OwnedFd)>> {
    let mut spaces = spaces(stopped);
    spaces.retain(|space| wanted.contains(&space[0].process.pid));
    let script = |space: &Vec<&Stopped>| {
        let mut script = Script::default();
        let args = [sys::UFFD_USER_MODE_ONLY as u64];
        let fd = lowest_free_descriptor(space[0].process.pid)?;
        script.fetch("tracking its writes (userfaultfd)", libc::SYS_userfaultfd, args, fd);
        Ok(script)
    };
    let scripts: Vec<Script> = spaces.iter().map(script).collect::<Result<_>>()?;
    let jobs = spaces.iter().zip(&scripts).map(|(space, script)| vec![job_of(space, script)]);
    let jobs: Vec<Vec<Job>> = jobs.collect();
    let results = run(&spaces, &jobs, gadgets)?.into_iter().flatten();
    let fetched = spaces.iter().zip(results).flat_map(|(space, results)| {
        results.fetched().into_iter().map(|fd| (space[0].process.pid, fd))
    });
    Ok(fetched.collect())
}

/// The number that the kernel gives to the next descriptor of a stopped process.
fn lowest_free_descriptor(pid: i32) -> Result<i32> {
    let failed = |e| Error::of_task(pid, "listing its descriptors", proc::errno(&e));
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).map_err(failed)?;
    let taken: HashSet<i32> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    Ok((0..).find(|fd| !taken.contains(fd)).unwrap_or(0))
}

/// The processes of each address space, in the order of the tasks.
fn spaces<'s, 'a>(stopped: &'s [Stopped<'a>]) -> Vec<Vec<&'s Stopped<'a>>> {
    let owners = stopped.iter().filter(|stopped| stopped.process.vm == stopped.process.pid);
    let users = |owner: &Stopped| {
        let pid = owner.process.pid;
        stopped.iter().filter(move |user| user.process.vm == pid).collect()
    };
    owners.map(users).collect()
}

/// What all threads of an address space are to ask.
fn jobs_of<'s>(space: &[&'s Stopped]) -> Vec<Job<'s>> {
    space.iter().flat_map(|&user| user.jobs()).collect()
}

/// The leader of its first process, with a script of its own.
fn job_of<'s>(space: &[&'s Stopped], script: &'s Script) -> Job<'s> {
    let process = space[0];
    Job { script, bell: None, ..process.threads[0].job(process.process.pid) }
}

/// Have threads of these address spaces do the jobs; those of one space share a site.
fn run(
    spaces: &[Vec<&Stopped>],
    jobs: &[Vec<Job>],
    gadgets: &mut Gadgets,
) -> Result<Vec<Vec<Results>>> {
    let mut sites = Vec::with_capacity(spaces.len());
    for space in spaces {
        let owner = space[0];
        let alone = space.iter().map(|user| user.threads.len()).sum::<usize>() == 1;
        let main_sp = owner.threads[0].context.regs.0.rsp;
        sites.push(Site::choose(owner.process.pid, main_sp, alone, &owner.memory, gadgets)?);
    }
    remote::run(&mut sites, jobs)
}

/// Before the freeze: have the kernel make the entries of /proc that will be read, which takes
/// longer than to read them.
pub fn warm(seen: &Seen) {
    for &tid in &seen.tids {
        let _ = Status::of_thread(seen.pid, tid);
    }
}

impl<'a> Stopped<'a> {
    fn look(process: &'a Frozen, limit: &Limit) -> Result<Self> {
        let pid = process.pid;
        let memory = open_memory(pid)?;
        let pending = signals::pending(pid, true)?;
        let mut threads = Vec::with_capacity(process.tids.len());
        for &tid in &process.tids {
            limit.check()?;
            threads.push(StoppedThread::look(pid, tid, &memory)?);
        }
        let asked = task::Questions::ask(pid, &mut threads[0].script)?;
        Ok(Stopped { process, memory, pending, asked, threads })
    }

    fn jobs(&self) -> impl Iterator<Item = Job<'_>> {
        self.threads.iter().map(|thread| thread.job(self.process.pid))
    }

    fn tell(self, answers: &mut Answers, paths: Paths) -> Result<Process> {
        let Stopped { process, pending, asked, threads, .. } = self;
        let answers = answers.get_mut(&process.vm).into_iter().flatten();
        let answers: Vec<Results> = answers.take(threads.len()).collect();
        let of_leader = (asked, &answers[0]);
        let task = Task::capture(process, &threads[0].status, pending, of_leader, paths)?;
        let threads = threads.into_iter().zip(&answers).map(|(thread, results)| {
            let StoppedThread { tid, status, context, pending, asked, .. } = thread;
            Thread::capture((process.pid, tid), &status, context, pending, (asked, results))
        });
        Ok(Process { task, threads: threads.collect::<Result<_>>()? })
    }
}

impl StoppedThread {
    fn job(&self, pid: i32) -> Job<'_> {
        Job {
            pid,
            tid: self.tid,
            seccomp: self.status.confined(),
            context: &self.context,
            script: &self.script,
            bell: Bell::choose(&self.status, &self.context),
        }
    }

    fn look(pid: i32, tid: i32, memory: &File) -> Result<Self> {
        let status = Status::of_thread(pid, tid)?;
        refuse::check(pid, tid, &status)?;
        let pending = signals::pending(tid, false)?;
        let context = Context::capture(tid, memory)?;
        if remote::is_healing(&context.regs.0, memory) {
            return Err(healing(pid, tid));
        }
        let mut script = Script::default();
        let asked = thread::Questions::ask(&mut script);
        Ok(StoppedThread { tid, status, context, pending, asked, script })
    }
}

fn healing(pid: i32, tid: i32) -> Error {
    let what = format!("thread {tid} of pid {pid} has yet to recover from a dump that was killed");
    Error::new(Code::TargetChanged, what)
        .with_pid(pid)
        .with_remedy("try again, and if it is stopped let it go on for a moment")
}

fn open_memory(pid: i32) -> Result<File> {
    let file = OpenOptions::new().read(true).write(true).open(format!("/proc/{pid}/mem"));
    file.map_err(|e| Error::of_task(pid, "opening its memory", proc::errno(&e)))
}
