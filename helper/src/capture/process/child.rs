//! Snapshot children: address spaces of stopped processes fork, and what is left of those children,
//! once they are dead, is taken away.

use super::{job_of, run, spaces, Stopped};
use crate::capture::{ns, rlimits};
use crate::error::{Code, Error, Result};
use crate::remote::{Arg, Child, Gadgets, Job, Script};
use nix::errno::Errno;

/// Have the first process of each address space make a snapshot child.
///
/// Errors: those of `remote::run`; `Kernel` where a limit or too little memory is in the way;
/// `UnsupportedObject` for one whose children come into a namespace of their own.
pub fn fork(stopped: &[Stopped], gadgets: &mut Gadgets) -> Result<Vec<(i32, Child)>> {
    let spaces = spaces(stopped);
    let pids: Vec<i32> = spaces.iter().map(|space| space[0].process.pid).collect();
    pids.iter().try_for_each(|&pid| check(pid))?;
    let mut script = Script::default();
    script.fork("making a snapshot child (clone)");
    let jobs = spaces.iter().map(|space| vec![job_of(space, &script)]);
    let jobs: Vec<Vec<Job>> = jobs.collect();
    let results = run(&spaces, &jobs, gadgets).map_err(explain)?.into_iter().flatten();
    let children = pids
        .into_iter()
        .zip(results)
        .flat_map(|(pid, results)| results.children().into_iter().map(move |child| (pid, child)));
    Ok(children.collect())
}

fn check(pid: i32) -> Result<()> {
    if ns::capture(pid)?.are_childrens() {
        return Ok(());
    }
    let message =
        format!("pid {pid}: its children come into another pid or time namespace (unshare)");
    Err(Error::new(Code::UnsupportedObject, message).with_pid(pid).with_remedy(INSTEAD))
}

const INSTEAD: &str = "dump without --snapshot, or with --max-pause instead";

/// Why there can be no child. clone(2), "ERRORS".
fn explain(mut error: Error) -> Error {
    let pid = error.pid.unwrap_or_default();
    let why = match error.errno.map(Errno::from_raw) {
        Some(Errno::EAGAIN) => {
            let limits = rlimits::capture(pid).unwrap_or_default();
            let limit = limits.get(libc::RLIMIT_NPROC as usize).map_or(0, |[soft, _]| soft.0);
            format!(
                "its user may have {limit} processes (RLIMIT_NPROC), its control group pids.max"
            )
        }
        Some(Errno::ENOMEM) => "there is no memory for a copy (vm.overcommit_memory)".into(),
        _ => return error,
    };
    error.message = format!("{}: {why}", error.message);
    error.with_remedy(INSTEAD)
}

/// Have the main thread of a process, which alone is stopped, wait for its dead children; it knows
/// them by these pids. Errors: those of `remote::run`.
pub fn reap(stopped: &[Stopped], dead: &[u64], gadgets: &mut Gadgets) -> Result<()> {
    let mut script = Script::default();
    for &pid in dead {
        let args = [pid, 0, (libc::__WALL | libc::WNOHANG) as u64, 0].map(Arg::Is);
        script.call("waiting for a snapshot child (wait4)", libc::SYS_wait4, args);
    }
    let spaces = spaces(stopped);
    let jobs: Vec<Vec<Job>> = spaces.iter().map(|space| vec![job_of(space, &script)]).collect();
    run(&spaces, &jobs, gadgets).map(drop)
}
