//! A process: who it is, and what its threads have in common.

use super::cgroup::{self, Cgroup};
use super::files::FileId;
use super::mm::Mm;
use super::ns::{self, Namespaces};
use super::rlimits;
use super::signals::{Actions, Sigaction};
use super::stat::Stat;
use super::status::Status;
use super::timers::{AskItimers, AskPosixTimers, Itimers, PosixTimer};
use crate::error::{Code, Error, Result};
use crate::proc;
use crate::remote::{Arg, Asked, Results, Room, Script};
use crate::task::{self, State};
use crate::value::{Bytes, Hex};
use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "t", rename = "task")]
pub struct Task {
    pid: i32,
    ppid: i32,
    pgid: i32,
    sid: i32,
    state: &'static str,
    /// The wait status of a zombie.
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_signo: Option<i32>,
    tids: Vec<i32>,
    comm: String,
    /// PF_*.
    flags: u32,
    /// None for a zombie.
    #[serde(flatten)]
    alive: Option<Alive>,
}

#[derive(Clone, Debug, Serialize)]
struct Alive {
    start_time: Hex,
    personality: u32,
    umask: u32,
    oom_score_adj: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    loginuid: Option<i64>,
    child_subreaper: bool,
    dumpable: u32,
    thp_disabled: bool,
    membarrier: u32,
    mm: Mm,
    fs: Fs,
    rlimits: Vec<[Hex; 2]>,
    sigactions: Vec<Sigaction>,
    /// Shared queue.
    pending: Vec<Bytes>,
    itimers: Itimers,
    posix_timers: Vec<PosixTimer>,
    share: Share,
    ns: Namespaces,
    cgroups: Vec<Cgroup>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lsm_profile: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Fs {
    cwd: FileId,
    root: FileId,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Share {
    vm: i32,
    files: i32,
    fs: i32,
    sighand: i32,
}

/// The files that a process holds without a descriptor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paths {
    pub exe: FileId,
    pub cwd: FileId,
    pub root: FileId,
}

/// What only the process itself can ask: prctl(2), brk(2), membarrier(2) and others.
pub struct Questions {
    sigactions: Actions,
    itimers: AskItimers,
    posix_timers: AskPosixTimers,
    brk: Asked,
    dumpable: Asked,
    child_subreaper: Room,
    thp_disabled: Asked,
    membarrier: Asked,
}

impl Questions {
    /// For a thread of process `pid` to ask.
    pub fn ask(pid: i32, script: &mut Script) -> Result<Self> {
        const MEMBARRIER_CMD_GET_REGISTRATIONS: u64 = 1 << 9; // since Linux 6.3
        let child_subreaper = script.room(4);
        let mut prctl = |option: i32, arg| {
            let args = [Arg::Is(option as u64), arg];
            script.call("reading its attributes (prctl)", libc::SYS_prctl, args)
        };
        prctl(libc::PR_GET_CHILD_SUBREAPER, Arg::At(child_subreaper));
        let dumpable = prctl(libc::PR_GET_DUMPABLE, Arg::Is(0));
        let thp_disabled = prctl(libc::PR_GET_THP_DISABLE, Arg::Is(0));
        let registrations = [Arg::Is(MEMBARRIER_CMD_GET_REGISTRATIONS)];
        Ok(Questions {
            sigactions: Actions::ask(script),
            itimers: AskItimers::ask(script),
            posix_timers: AskPosixTimers::ask(pid, script)?,
            brk: script.call("reading its brk", libc::SYS_brk, [Arg::Is(0)]),
            dumpable,
            child_subreaper,
            thp_disabled,
            membarrier: script.try_call(libc::SYS_membarrier, registrations),
        })
    }
}

impl Task {
    /// Of a zombie, who has only a few numbers left.
    pub fn zombie(task: &task::Task) -> Result<Self> {
        let stat = Stat::read(task.pid)?;
        let exit_code = Some(stat.number(52)?);
        Ok(Task { exit_code, ..Task::common(task, &stat, "zombie")? })
    }

    /// Of a stopped process. `pending`: its shared queue, captured before any of its threads ran
    /// for us.
    pub fn capture(
        task: &task::Task,
        status: &Status,
        pending: Vec<Bytes>,
        (asked, results): (Questions, &Results),
        paths: Paths,
    ) -> Result<Self> {
        let pid = task.pid;
        let thp_disabled = results.value(asked.thp_disabled);
        if thp_disabled > 1 {
            return Err(thp_disabled_in_part(pid));
        }
        let stat = Stat::read(pid)?;
        let (state, stop_signo) = match task.state {
            State::Stopped(signo) => ("stopped", Some(signo)),
            _ => ("alive", None),
        };
        let alive = Alive {
            start_time: Hex(stat.number(22)?),
            personality: personality(pid)?,
            umask: status.number("Umask", 8)? as u32,
            oom_score_adj: proc::number(pid, "oom_score_adj")?.unwrap_or(0),
            loginuid: proc::number(pid, "loginuid")?,
            child_subreaper: results.int(asked.child_subreaper) != 0,
            dumpable: results.value(asked.dumpable) as u32,
            thp_disabled: thp_disabled != 0,
            membarrier: results.value(asked.membarrier) as u32,
            mm: Mm::capture(pid, &stat, results.value(asked.brk), paths.exe)?,
            fs: Fs { cwd: paths.cwd, root: paths.root },
            rlimits: rlimits::capture(pid)?,
            sigactions: asked.sigactions.answer(results),
            pending,
            itimers: asked.itimers.answer(results),
            posix_timers: asked.posix_timers.answer(results),
            share: Share { vm: task.vm, files: task.files, fs: task.fs, sighand: task.sighand },
            ns: ns::capture(pid)?,
            cgroups: cgroup::capture(pid)?,
            lsm_profile: lsm_profile(pid),
        };
        Ok(Task { stop_signo, alive: Some(alive), ..Task::common(task, &stat, state)? })
    }

    fn common(task: &task::Task, stat: &Stat, state: &'static str) -> Result<Self> {
        Ok(Task {
            pid: task.pid,
            ppid: task.ppid,
            pgid: stat.number(5)?,
            sid: stat.number(6)?,
            state,
            exit_code: None,
            stop_signo: None,
            tids: task.tids.clone(),
            comm: proc::comm(task.pid)?,
            flags: stat.number(9)?,
            alive: None,
        })
    }
}

/// PR_THP_DISABLE_EXCEPT_ADVISED.
fn thp_disabled_in_part(pid: i32) -> Error {
    let message =
        format!("pid {pid} has huge pages disabled but where advised (PR_SET_THP_DISABLE)");
    Error::new(Code::UnsupportedObject, message)
        .with_pid(pid)
        .with_remedy("no image can hold that; disable them wholly or not at all")
}

fn personality(pid: i32) -> Result<u32> {
    let text = proc::text(pid, "personality")?;
    let number = u32::from_str_radix(text.trim(), 16);
    number.map_err(|_| proc::odd(pid, "personality", &text))
}

/// None without a security module that has profiles: the file then cannot be read.
fn lsm_profile(pid: i32) -> Option<String> {
    let profile = proc::text(pid, "attr/current").ok()?;
    let profile = profile.trim_end_matches(['\n', '\0']);
    (!profile.is_empty()).then(|| profile.to_owned())
}
