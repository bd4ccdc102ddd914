//! What this kernel and these privileges allow: each thing is tried, on ourselves or on a child.
//! What it means for the user is the orchestrator's to say. docs/protocol.md, "check".

use crate::awake::Awake;
use crate::capture::process;
use crate::capture::status::Status;
use crate::error::Result;
use crate::freeze::Frozen;
use crate::limit::Limit;
use crate::memory::PAGE;
use crate::remote::Gadgets;
use crate::sys::{self, Kcmp, PageQuery};
use nix::errno::Errno;
use nix::sys::socket::{socket, AddressFamily, SockFlag, SockProtocol, SockType};
use serde::Serialize;
use std::error::Error as Why;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};

#[derive(Serialize)]
#[serde(tag = "t", rename = "check")]
pub struct Check {
    kernel: String,
    arch: &'static str,
    items: Vec<Item>,
}

#[derive(Serialize)]
struct Item {
    name: &'static str,
    ok: bool,
    /// Without it no dump could work.
    required: bool,
    detail: String,
}

type Tried = std::result::Result<String, Box<dyn Why>>;

/// Errors: `Kernel` if /proc tells nothing of ourselves.
pub fn check() -> Result<Check> {
    let mut items = Vec::new();
    let mut add = |name, required, tried: Tried| {
        let ok = tried.is_ok();
        let detail = tried.unwrap_or_else(|why| why.to_string());
        items.push(Item { name, ok, required, detail });
    };
    let us = std::process::id() as i32;
    let status = Status::read(us)?;
    for (name, bit, required) in CAPABILITIES {
        add(name, required, capability(&status, bit));
    }
    add("pagemap_scan", false, pagemap_scan());
    add("soft_dirty", false, soft_dirty());
    add("uffd_wp_async", false, uffd_wp_async());
    add("sock_diag", false, sock_diag());
    add("cpu_dma_latency", false, cpu_dma_latency());
    match Victim::start() {
        Ok(victim) => {
            add("children", true, victim.children());
            add("kcmp", true, victim.kcmp());
            // Frozen, for while it starts its mappings still change.
            add("map_files", true, victim.freeze(|_| victim.map_files()));
            add("pidfd_getfd", true, victim.pidfd_getfd());
            add("ptrace_seize", true, victim.freeze(|_| Ok("stopped and let go".into())));
            add("rseq_configuration", false, victim.freeze(|frozen| victim.rseq(frozen)));
            add("remote_syscall", true, victim.freeze(capture));
        }
        Err(why) => add("ptrace_seize", true, Err(why.into())),
    }
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Ok(Check { kernel: kernel.trim().to_owned(), arch: std::env::consts::ARCH, items })
}

/// Bits of the effective set: capabilities(7).
const CAPABILITIES: [(&str, u32, bool); 5] = [
    ("CAP_SYS_PTRACE", 19, true),
    ("CAP_SYS_ADMIN", 21, true),
    ("CAP_CHECKPOINT_RESTORE", 40, false),
    ("CAP_SYS_RESOURCE", 24, false),
    ("CAP_NET_ADMIN", 12, false),
];

fn capability(status: &Status, bit: u32) -> Tried {
    let effective = status.number("CapEff", 16).map_err(|error| error.message)?;
    match effective >> bit & 1 {
        1 => Ok("in the effective set".into()),
        _ => Err("not in the effective set".into()),
    }
}

fn pagemap_scan() -> Tried {
    let pagemap = File::open("/proc/self/pagemap")?;
    let query = PageQuery::default();
    let mut regions = [Default::default(); 1];
    sys::pagemap_scan(pagemap.as_fd(), (0, PAGE), &query, &mut regions)?;
    Ok("ioctl PAGEMAP_SCAN".into())
}

/// Clear the bits of all our pages, write to one, and see whether its bit is set.
fn soft_dirty() -> Tried {
    const SOFT_DIRTY: u64 = 1 << 55;
    let mut bytes = vec![1u8; 2 * PAGE as usize];
    fs::write("/proc/self/clear_refs", "4")?;
    bytes.fill(2);
    let page = bytes.as_ptr() as u64 / PAGE + 1;
    let mut entry = [0; 8];
    File::open("/proc/self/pagemap")?.read_exact_at(&mut entry, page * 8)?;
    match u64::from_ne_bytes(entry) & SOFT_DIRTY {
        0 => Err("a page written to is not marked".into()),
        _ => Ok("a page written to is marked".into()),
    }
}

fn uffd_wp_async() -> Tried {
    sys::uffd_open(sys::UFFD_USER_MODE_ONLY, crate::memory::tracker::FEATURES)?;
    Ok("userfaultfd with WP_ASYNC and WP_UNPOPULATED".into())
}

fn sock_diag() -> Tried {
    let (flags, protocol) = (SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkSockDiag);
    socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
    Ok("NETLINK_SOCK_DIAG".into())
}

fn cpu_dma_latency() -> Tried {
    match Awake::new().works() {
        true => Ok("/dev/cpu_dma_latency".into()),
        false => Err("/dev/cpu_dma_latency cannot be written".into()),
    }
}

/// A child to try things on: this program once more, waiting for its hello.
struct Victim(Child);

impl Victim {
    fn start() -> std::io::Result<Self> {
        let mut program = Command::new("/proc/self/exe");
        let piped = program.stdin(Stdio::piped()).stdout(Stdio::null());
        piped.spawn().map(Victim)
    }

    fn pid(&self) -> i32 {
        self.0.id() as i32
    }

    fn children(&self) -> Tried {
        let us = std::process::id();
        let children = fs::read_to_string(format!("/proc/self/task/{us}/children"))?;
        let pid = self.pid().to_string();
        match children.split_whitespace().any(|child| child == pid) {
            true => Ok("/proc/PID/task/TID/children".into()),
            false => Err("/proc/PID/task/TID/children does not name a child".into()),
        }
    }

    fn kcmp(&self) -> Tried {
        sys::kcmp(std::process::id() as i32, self.pid(), Kcmp::Vm)?;
        Ok("kcmp(2)".into())
    }

    fn map_files(&self) -> Tried {
        let folder = format!("/proc/{}/map_files", self.pid());
        let entry = fs::read_dir(folder)?.next().ok_or(Errno::ENOENT)??;
        File::open(entry.path())?;
        Ok("/proc/PID/map_files".into())
    }

    fn pidfd_getfd(&self) -> Tried {
        sys::pidfd_getfd(sys::pidfd_open(self.pid())?.as_fd(), 0)?;
        Ok("pidfd_getfd(2)".into())
    }

    fn freeze(&self, then: impl FnOnce(&Frozen) -> Tried) -> Tried {
        let frozen = Frozen::tree(self.pid(), &Limit::default()).map_err(|error| error.message)?;
        then(&frozen)
    }

    fn rseq(&self, _frozen: &Frozen) -> Tried {
        sys::ptrace_rseq(self.pid())?;
        Ok("PTRACE_GET_RSEQ_CONFIGURATION".into())
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// All that threads are asked in a dump.
fn capture(frozen: &Frozen) -> Tried {
    let limit = Limit::default();
    process::look(&frozen.tasks, &limit)
        .and_then(|stopped| {
            let paths = vec![Default::default()];
            process::capture(&frozen.tasks, stopped, paths, &mut Gadgets::default())
        })
        .map_err(|error| error.message)?;
    Ok("threads make system calls for us".into())
}
