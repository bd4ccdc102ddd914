//! Everything about stopped processes and their threads, in the order that the kernel demands.

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
use crate::task::{State, Task as Frozen};
use crate::tree::Seen;
use crate::value::Bytes;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
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

/// Have all threads of the tree ask the kernel, side by side; those of one address space share a
/// site.
fn ask(stopped: &[Stopped], gadgets: &mut Gadgets) -> Result<Answers> {
    let owners = || stopped.iter().filter(|stopped| stopped.process.vm == stopped.process.pid);
    let (mut sites, mut jobs) = (Vec::new(), Vec::new());
    for owner in owners() {
        let pid = owner.process.pid;
        let users = stopped.iter().filter(|user| user.process.vm == pid);
        let of_space: Vec<Job> = users.flat_map(Stopped::jobs).collect();
        let main_sp = owner.threads[0].context.regs.0.rsp;
        sites.push(Site::choose(pid, main_sp, of_space.len() == 1, &owner.memory, gadgets)?);
        jobs.push(of_space);
    }
    let results = remote::run(&mut sites, &jobs)?;
    Ok(owners()
        .map(|owner| owner.process.pid)
        .zip(results.into_iter().map(Vec::into_iter))
        .collect())
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
        self.threads.iter().map(|thread| Job {
            pid: self.process.pid,
            tid: thread.tid,
            seccomp: thread.status.confined(),
            context: &thread.context,
            script: &thread.script,
            bell: Bell::choose(&thread.status, &thread.context),
        })
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
