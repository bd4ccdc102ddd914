//! Captures of real processes: python programs that open things, sleep, and afterwards tell what
//! they still find.

mod cost;
mod inet;
mod kinds;
mod names;
mod pipes;
mod shared;
mod sockets;
mod ttys;

use super::{Facts, FileTable};
use crate::limit::Limit;
use crate::sys;
use crate::task::{State, Task};
use nix::fcntl::{open, OFlag};
use nix::sys::stat::Mode;
use serde_json::{to_value, Value};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

const PRELUDE: &str = "
import array, ctypes, fcntl, os, pty, select, signal, socket, struct, sys, termios, time, tty
libc = ctypes.CDLL(None, use_errno=True)
alive_r, alive_w = os.pipe()
def wait_for_end():
    os.close(alive_w)
    os.read(alive_r, 1)
def wait_for_child():
    while not open('/proc/%d/syscall' % child).read().startswith('0 %#x ' % alive_r):
        time.sleep(0.001)
";

/// Evaluates the lines it is sent, until there are no more; then it ends, its children first (a
/// child sleeps in wait_for_end).
const SERVE: &str = "
print('ready', flush=True)
for line in sys.stdin:
    print(repr(eval(line)), flush=True)
os.close(alive_w)
try:
    while True: os.wait()
except ChildProcessError: pass
os._exit(0)
";

/// A python process that has run a script and now sleeps.
pub struct Target {
    pub task: Task,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    pub folder: Folder,
}

impl Target {
    /// It runs in a folder of its own.
    pub fn python(script: &str) -> Target {
        let folder = Folder::new();
        let mut child = Command::new("python3")
            .args(["-c", &format!("{PRELUDE}{script}{SERVE}")])
            .current_dir(&folder.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("these tests need python3");
        let pid = child.id() as i32;
        let mut target = Target {
            task: task(pid),
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
            folder,
        };
        assert_eq!(target.line(), "ready");
        target
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The repr() of a python expression, evaluated by the target.
    pub fn ask(&mut self, expression: &str) -> String {
        writeln!(self.input.as_mut().unwrap(), "{expression}").unwrap();
        self.line()
    }

    /// Its files; nothing that /proc tells of its descriptors may change by that.
    pub fn capture(&self) -> Captured {
        capture(&[&self.task])
    }

    /// A child of the target, by the name of the variable that holds its pid.
    pub fn child(&mut self, variable: &str) -> Task {
        task(self.ask(variable).parse().unwrap())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.input.take();
        let _ = self.child.wait();
    }
}

fn task(pid: i32) -> Task {
    Task {
        pid,
        ppid: 1,
        state: State::Alive,
        tids: vec![pid],
        pidfd: sys::pidfd_open(pid).unwrap(),
        vm: pid,
        files: pid,
        fs: pid,
        sighand: pid,
    }
}

/// A folder that goes away with its contents.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ckpt-files-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Folder(path.canonicalize().unwrap())
    }

    pub fn open(&self) -> OwnedFd {
        open(&self.0, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).unwrap()
    }

    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The facts, and the frames that they become.
pub struct Captured {
    pub facts: Facts,
    pub files: Vec<Value>,
    tables: Vec<Value>,
    /// Where the ghosts were copied to.
    pub images: Folder,
}

impl Captured {
    /// The file frame of a task's descriptor.
    pub fn file(&self, task: &Task, fd: &str) -> &Value {
        let fd = self.fd(task, fd);
        &self.files[fd["file"].as_u64().unwrap() as usize - 1]
    }

    /// The entry of a task's descriptor table.
    pub fn fd(&self, task: &Task, fd: &str) -> &Value {
        let number: i32 = fd.parse().unwrap();
        self.fds(task).iter().find(|entry| entry["fd"] == number).unwrap()
    }

    /// The files that a task has opened itself: its standard streams may be anything, a socket too.
    pub fn opened(&self, task: &Task) -> Vec<&Value> {
        let fds = self.fds(task).iter().filter_map(|entry| entry["fd"].as_u64());
        fds.filter(|fd| *fd > 2).map(|fd| self.file(task, &fd.to_string())).collect()
    }

    fn fds(&self, task: &Task) -> &Vec<Value> {
        let table = self.tables.iter().find(|table| table["pid"] == task.pid).unwrap();
        table["fds"].as_array().unwrap()
    }

    pub fn pipe(&self, file: &Value) -> Value {
        let pipes = self.facts.pipes.iter().map(|pipe| to_value(pipe).unwrap());
        pipes.into_iter().find(|pipe| pipe["ino"] == file["detail"]["pipe"]).unwrap()
    }
}

pub fn capture(tasks: &[&Task]) -> Captured {
    capture_limited(tasks, 1 << 20)
}

pub fn capture_limited(tasks: &[&Task], ghost_limit: u64) -> Captured {
    let before: Vec<_> = tasks.iter().map(|task| snapshot(task.pid)).collect();
    let mut table = FileTable::default();
    let limit = Limit::default();
    for task in tasks {
        table.capture(task, &limit).unwrap();
    }
    let captured = finish(table, tasks, ghost_limit);
    let after: Vec<_> = tasks.iter().map(|task| snapshot(task.pid)).collect();
    assert_eq!(before, after);
    captured
}

pub fn finish(table: FileTable, tasks: &[&Task], ghost_limit: u64) -> Captured {
    let images = Folder::new();
    let pids: Vec<i32> = tasks.iter().map(|task| task.pid).collect();
    let facts = table.finish(&pids, &images.open(), ghost_limit, &Limit::default()).unwrap();
    let frames = |facts: &Facts| {
        let files = facts.files.iter().map(|file| to_value(file).unwrap()).collect();
        (files, facts.tables.iter().map(|fds| to_value(fds).unwrap()).collect())
    };
    let (files, tables) = frames(&facts);
    Captured { facts, files, tables, images }
}

/// What /proc tells of each descriptor: its link and its fdinfo but for the state of a timer.
fn snapshot(pid: i32) -> BTreeMap<String, (PathBuf, String)> {
    let folder = Path::new("/proc").join(pid.to_string());
    let fds = std::fs::read_dir(folder.join("fd")).unwrap();
    let describe = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let link = std::fs::read_link(folder.join("fd").join(&name)).unwrap();
        let text = std::fs::read_to_string(folder.join("fdinfo").join(&name)).unwrap();
        let moves = |line: &&str| line.starts_with("it_value") || line.starts_with("ticks");
        let steady = text.lines().filter(|line| !moves(line));
        (name, (link, steady.collect::<Vec<_>>().join("\n")))
    };
    fds.map(describe).collect()
}

/// The bytes of a base64 field.
pub fn bytes(value: &Value) -> Vec<u8> {
    use base64::prelude::{Engine, BASE64_STANDARD};
    BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap()
}
