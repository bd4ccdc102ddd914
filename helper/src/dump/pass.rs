//! The pass over the frozen tree, and what can be got ready before it.

use super::micros;
use super::told::{Clocks, Times};
use crate::capture::files::{self, fact::Kind, FileTable, PathOf};
use crate::capture::process::{self, Process, Stopped};
use crate::capture::vma::Vma;
use crate::capture::Paths;
use crate::error::{Code, Error, Result};
use crate::limit::Limit;
use crate::memory::{Changes, Memory};
use crate::remote::Gadgets;
use crate::task::{State, Task};
use crate::tcp::{self, Tcp};
use crate::tree;
use crate::urgent::Urgent;
use crate::wire::{DumpRequest, Wire};
use std::fs::OpenOptions;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Instant;

/// What the pass needs and need not be done while the target waits.
pub struct Prepared {
    pub memory: Memory,
    pub gadgets: Gadgets,
    images: OwnedFd,
    tcp: Option<Tcp>,
}

impl Prepared {
    /// Errors: those of `tree::check_root`, `ImagesDir`, and of memory's preparation.
    pub fn new(
        request: &DumpRequest,
        changes: Changes,
        exact: bool,
        limit: &Limit,
    ) -> Result<Self> {
        tree::check_root(request.tree)?;
        let images = open_folder(request)?;
        let tree = tree::walk(request.tree)?;
        let pids: Vec<i32> = tree.iter().filter(|task| !task.zombie).map(|task| task.pid).collect();
        let mut gadgets = Gadgets::default();
        gadgets.prepare(&pids);
        tree.iter().for_each(process::warm);
        pids.iter().for_each(|&pid| files::warm(pid));
        let memory = Memory::prepare(request, changes, &pids, exact, limit)?;
        let tcp = request.tcp.as_ref().map(Tcp::prepare).transpose()?;
        Ok(Prepared { memory, gadgets, images, tcp })
    }
}

fn open_folder(request: &DumpRequest) -> Result<OwnedFd> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_DIRECTORY);
    let folder = options.open(&request.images_dir);
    folder.map(OwnedFd::from).map_err(|e| {
        let message = format!("the images folder {}: {e}", request.images_dir.display());
        Error::new(Code::ImagesDir, message)
    })
}

/// All that was seen, but for the memory, which `Prepared` keeps.
pub struct Facts {
    pub processes: Vec<Process>,
    pub files: files::Facts,
    pub clocks: Clocks,
    pub tcp: tcp::Kept,
}

/// Capture the frozen tree. The memory goes before the threads' system calls, so that the page or
/// two of stack which those may touch are not taken for the target's.
pub fn capture(
    tasks: &[Task],
    prepared: &mut Prepared,
    times: &mut Times,
    (request, limit, wire, urgent): (&DumpRequest, &Limit, &Wire, &Urgent),
) -> Result<Facts> {
    let clocks = Clocks::now();
    let start = Instant::now();
    let stopped = process::look(tasks, limit)?;
    let alive: Vec<&Task> = tasks.iter().filter(|task| task.state != State::Zombie).collect();
    let mut table = FileTable::default();
    let mut paths = Vec::with_capacity(tasks.len());
    for task in &alive {
        limit.check()?;
        if task.files == task.pid {
            table.capture(task, limit)?;
        }
        paths.push(paths_of(task.pid, &mut table)?);
        if task.vm == task.pid {
            prepared.memory.capture(task.pid, &mut |pid, vma| mapped(pid, vma, &mut table))?;
        }
    }
    let pids: Vec<i32> = alive.iter().map(|task| task.pid).collect();
    let mut files = table.finish(&pids, &prepared.images, request.ghost_limit, limit)?;
    let connections = std::mem::take(&mut files.connections);
    let tcp = match &mut prepared.tcp {
        Some(tcp) => tcp.capture(connections, &mut files.files, request.after, limit)?,
        None => tcp::Kept::default(),
    };
    add_memfds(&files, &mut prepared.memory)?;
    files.in_flight.clear();
    times.capture = micros(start);

    let start = Instant::now();
    prepared.memory.scan(limit)?;
    times.scan = micros(start);

    if request.snapshot {
        times.clone = Some(leave_to_children(prepared, &stopped, limit)?);
    }
    let start = Instant::now();
    let progress = &mut |done, total| wire.progress("copy", done, total);
    urgent.at_ease(|| prepared.memory.copy(limit, progress))?;
    times.copy = micros(start);

    let start = Instant::now();
    let processes = process::capture(tasks, stopped, paths, &mut prepared.gadgets)?;
    times.capture += micros(start);
    Ok(Facts { processes, files, clocks, tcp })
}

/// Have children keep the memory for what comes after the thaw. Microseconds that their making took.
fn leave_to_children(prepared: &mut Prepared, stopped: &[Stopped], limit: &Limit) -> Result<u64> {
    prepared.memory.check_snapshot()?;
    let start = Instant::now();
    let children = process::fork(stopped, &mut prepared.gadgets)?;
    let took = micros(start);
    prepared.memory.leave_to(children, limit)?;
    Ok(took)
}

fn paths_of(pid: i32, table: &mut FileTable) -> Result<Paths> {
    Ok(Paths {
        exe: table.path_file(pid, PathOf::Exe)?,
        cwd: table.path_file(pid, PathOf::Cwd)?,
        root: table.path_file(pid, PathOf::Root)?,
    })
}

fn mapped(pid: i32, vma: &Vma, table: &mut FileTable) -> Result<files::FileId> {
    let writable = vma.has("sh") && vma.has("mw");
    let mapping = PathOf::Mapped { start: vma.start.0, end: vma.end.0, writable };
    table.mapped_file(pid, mapping, (vma.dev, vma.ino.0, &vma.name))
}

/// A memfd is a segment of shared memory, be it mapped or not, or on its way to somebody.
fn add_memfds(files: &files::Facts, memory: &mut Memory) -> Result<()> {
    let mut add = |pid, fd, file: files::FileId| {
        let file = &files.files[file as usize - 1];
        match file.kind {
            Kind::Memfd(_) => memory.add_memfd(pid, fd, (file.inode.dev, file.inode.ino.0)),
            _ => Ok(()),
        }
    };
    for table in &files.tables {
        table.fds.iter().try_for_each(|fd| add(table.pid, fd.fd, fd.file))?;
    }
    let own = std::process::id() as i32;
    files.in_flight.iter().try_for_each(|on_way| add(own, on_way.fd.as_raw_fd(), on_way.file))
}
