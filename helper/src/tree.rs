//! The processes below a root, as /proc shows them: proc_pid_task(5), "children".

use crate::capture::stat::Stat;
use crate::error::{Code, Error, Result};
use crate::proc;
use std::fs;

/// PF_KTHREAD: a thread of the kernel's own.
const PF_KTHREAD: u32 = 0x0020_0000;

/// A process as a walk over /proc sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub pid: i32,
    pub ppid: i32,
    /// The leader first; the leader alone for a zombie.
    pub tids: Vec<i32>,
    pub zombie: bool,
}

/// The tree below `root`, parents before children. Whoever ends on the way is left out; the lists
/// of children are only to be relied on where their parents are stopped.
pub fn walk(root: i32) -> Result<Vec<Seen>> {
    let mut tree = Vec::new();
    let mut next = vec![root];
    while let Some(pid) = next.pop() {
        let Ok(stat) = Stat::read(pid) else { continue };
        let tids = threads(pid);
        // A leader that ended before its threads looks like a zombie, and for most is about to be.
        let zombie = stat.state() == 'Z' && tids.len() <= 1;
        let mut seen = Seen { pid, ppid: stat.number(4)?, tids: vec![pid], zombie };
        if !zombie {
            let mut children: Vec<i32> = tids.iter().flat_map(|&tid| children(pid, tid)).collect();
            children.sort_unstable_by(|a, b| b.cmp(a)); // the lowest is popped first
            next.extend(children);
            seen.tids.extend(tids.into_iter().filter(|&tid| tid != pid));
        }
        tree.push(seen);
    }
    Ok(tree)
}

/// The error for a process whose leader has ended while others of its threads run on.
pub fn without_leader(pid: i32) -> Error {
    let message = format!("the main thread of pid {pid} has ended while others run on");
    Error::new(Code::UnsupportedObject, message)
        .with_pid(pid)
        .with_remedy("no image can hold such a process")
}

fn threads(pid: i32) -> Vec<i32> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn children(pid: i32, tid: i32) -> Vec<i32> {
    let text = proc::text(pid, &format!("task/{tid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// May the tree below `root` be frozen? Errors: `NoSuchProcess`, `KernelThread`, `Zombie`,
/// `OwnAncestor`.
pub fn check_root(root: i32) -> Result<()> {
    let refuse =
        |code, what: &str| Err(Error::new(code, format!("pid {root} {what}")).with_pid(root));
    let Ok(stat) = Stat::read(root) else {
        let message = format!("there is no process with pid {root}");
        return Err(Error::new(Code::NoSuchProcess, message).with_pid(root));
    };
    if stat.number::<u32>(9)? & PF_KTHREAD != 0 {
        return refuse(Code::KernelThread, "is a thread of the kernel, not a process");
    }
    let status = crate::capture::status::Status::read(root)?;
    let tgid = status.number("Tgid", 10)? as i32;
    if tgid != root {
        let what = format!("is a thread of process {tgid}");
        return match refuse(Code::NoSuchProcess, &what) {
            Err(error) => Err(error.with_remedy(format!("dump the process: --tree {tgid}"))),
            ok => ok,
        };
    }
    if stat.state() == 'Z' {
        if threads(root).len() > 1 {
            return Err(without_leader(root));
        }
        return refuse(Code::Zombie, "is a zombie: it has ended, and waits for its parent");
    }
    if is_own_ancestor(root)? {
        return refuse(
            Code::OwnAncestor,
            "is ckpt itself, or started it: it would stop with the tree",
        );
    }
    Ok(())
}

fn is_own_ancestor(root: i32) -> Result<bool> {
    let own = std::process::id() as i32;
    Ok(own == root || ancestors(own)?.contains(&root))
}

/// The parent of a process, its parent, and so on.
pub fn ancestors(pid: i32) -> Result<Vec<i32>> {
    let mut ancestors = Vec::new();
    let mut parent = Stat::read(pid)?.number(4)?;
    while parent > 0 {
        ancestors.push(parent);
        parent = Stat::read(parent)?.number(4)?;
    }
    Ok(ancestors)
}
