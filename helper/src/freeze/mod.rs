//! Seize and stop a whole process tree, and let it go again.
//!
//! Every thread is seized (PTRACE_SEIZE stops nothing), then all are interrupted, then waited for;
//! and the tree is walked again until a walk over stopped tasks finds nobody new: whoever is
//! stopped neither forks nor exits. The guard exists before the first seize; when it is dropped,
//! every thread goes on in the state in which it was found: the kernel remembers a group-stop.
//! Should this process die, the kernel does the same, as PTRACE_O_EXITKILL is not set. ptrace(2).

mod held;

use crate::error::{Error, Result};
use crate::limit::Limit;
use crate::share::Sharing;
use crate::stop::{self, Stop, Waited};
use crate::sys;
use crate::task::{State, Task};
use crate::tree::{self, Seen};
use crate::wire::Action;
use held::{not_stopping, Held};
use nix::errno::Errno;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

/// How long threads may take to stop, try by try. A vfork parent only stops when its child, which
/// we have stopped, goes on; so what does not stop in time has the tree let go for a moment.
const PATIENCE_MS: [u64; 7] = [50, 100, 200, 400, 800, 1600, 3200];

/// How long the tree runs between two tries.
const RESPITE: Duration = Duration::from_millis(20);

/// How long a thread may take to come out of the kernel.
const OUT: Duration = Duration::from_secs(10);

/// A killed process that is waited for.
const DEATH: Duration = Duration::from_secs(10);

/// The tree, stopped. Dropping it lets it go.
pub struct Frozen {
    /// Parents before children.
    pub tasks: Vec<Task>,
    held: Held,
    since: Instant,
}

impl Frozen {
    /// Freeze the tree below `root`.
    ///
    /// Errors: `NoSuchProcess`, `Zombie`, `KernelThread`, `OwnAncestor`, `Permission`,
    /// `UnsupportedObject`, `TargetGone`, `Kernel` for a thread that does not stop, those of
    /// `limit`. Then the tree runs on.
    pub fn tree(root: i32, limit: &Limit) -> Result<Frozen> {
        tree::check_root(root)?;
        let mut held = Held::default();
        let mut stuck = None;
        for patience in PATIENCE_MS.map(Duration::from_millis) {
            held.seize_all(&tree::walk(root)?)?;
            let since = Instant::now();
            match held.stop_tree(root, patience, limit)? {
                Ok(tree) => {
                    let tasks = tasks_of(tree, &held)?;
                    return Ok(Frozen { tasks, held, since });
                }
                Err(tid) => stuck = Some(tid),
            }
            held.release();
            limit.check()?;
            thread::sleep(RESPITE);
        }
        Err(not_stopping(stuck.unwrap_or(root)))
    }

    /// Freeze the main thread of a process alone.
    ///
    /// Errors: `TargetGone`, `Permission`, `Kernel` for a thread that does not stop, those of `limit`.
    pub fn leader(pid: i32, limit: &Limit) -> Result<Frozen> {
        let leader = Seen { pid, ppid: 0, tids: vec![pid], zombie: false };
        let mut held = Held::default();
        held.seize_all(std::slice::from_ref(&leader))?;
        let since = Instant::now();
        if let Some(tid) = held.stop_all(OUT, limit)? {
            return Err(not_stopping(tid));
        }
        let tasks = tasks_of(vec![leader], &held)?;
        Ok(Frozen { tasks, held, since })
    }

    /// When the first task was stopped.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Let the tree go: to run, stopped as by SIGSTOP, or dead. Tells how long it was held.
    pub fn finish(mut self, action: Action) -> Result<Duration> {
        match action {
            Action::Run => {}
            // Of what is stopped already, one more would wait in its queue.
            Action::Stop => self.signal(libc::SIGSTOP, |state| state == State::Alive)?,
            Action::Kill => {
                self.signal(libc::SIGKILL, |state| state != State::Zombie)?;
                self.wait_dead()?;
            }
        }
        self.held.release();
        Ok(self.since.elapsed())
    }

    /// Wait until those who were killed are dead; a leader's end is told after its threads'.
    fn wait_dead(&mut self) -> Result<()> {
        for &tid in self.tasks.iter().flat_map(|task| task.tids.iter().rev()) {
            if self.held.0.remove(&tid).is_some() {
                while let Waited::Stopped(_) = stop::wait(tid, DEATH, &Limit::default())? {}
            }
        }
        Ok(())
    }

    /// Send a signal to the tasks whose state is `wanted`.
    fn signal(&self, signo: i32, wanted: impl Fn(State) -> bool) -> Result<()> {
        for task in self.tasks.iter().filter(|task| wanted(task.state)) {
            match sys::pidfd_send_signal(task.pidfd.as_fd(), signo) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(errno) => return Err(Error::of_task(task.pid, "sending it a signal", errno)),
            }
        }
        Ok(())
    }
}

/// Have every thread of a running tree come out of the kernel once, one after the other: what any of
/// them was doing there when this was called, it has done or given up when this returns.
///
/// Errors: `Permission`, `Kernel` for a thread that does not come out, those of `limit`.
pub fn quiesce(root: i32, limit: &Limit) -> Result<()> {
    for task in tree::walk(root)?.into_iter().filter(|task| !task.zombie) {
        for &tid in &task.tids {
            let mut held = Held::default();
            held.seize_all(&[Seen { tids: vec![tid], ..task.clone() }])?;
            if let Some(tid) = held.stop_all(OUT, limit)? {
                return Err(not_stopping(tid));
            }
        }
    }
    Ok(())
}

/// The frozen tasks. Errors: `TargetGone` for one that was killed meanwhile.
fn tasks_of(tree: Vec<Seen>, held: &Held) -> Result<Vec<Task>> {
    let mut sharing = Sharing::default();
    let task_of = |seen: Seen| {
        let Seen { pid, ppid, tids, zombie } = seen;
        let failed = |doing| move |errno| Error::of_task(pid, doing, errno);
        let state = match held.0.get(&pid).copied().flatten() {
            _ if zombie => State::Zombie,
            Some(Stop::Group(signo)) => State::Stopped(signo),
            Some(_) => State::Alive,
            None if tids.len() > 1 => return Err(tree::without_leader(pid)),
            None => return Err(failed("freezing it")(Errno::ESRCH)),
        };
        let pidfd = sys::pidfd_open(pid).map_err(failed("opening a pidfd of it"))?;
        let share = if zombie { Ok([pid; 4]) } else { sharing.of(pid) };
        let [vm, files, fs, sighand] = share.map_err(failed("comparing what it shares (kcmp)"))?;
        Ok(Task { pid, ppid, state, tids, pidfd, vm, files, fs, sighand })
    };
    tree.into_iter().map(task_of).collect()
}
