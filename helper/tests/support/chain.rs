//! Chains of sets as their orchestrator sees them, and what they hold together.

use super::helper::{Folder, Helper};
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

pub const PAGE: u64 = 4096;
const COPIED: u64 = 1;
const UNCHANGED: u64 = 4;

type Page = [u8; PAGE as usize];

/// Memory as sets tell it: the bytes of each page, by process.
pub type Memory = BTreeMap<i32, BTreeMap<u64, Page>>;

pub fn predump(pid: i32, folder: &Folder, track: Value) -> Value {
    json!({
        "op": "predump", "tree": pid, "images_dir": folder.path(), "pages_name": "pages-{}.img",
        "timeout_ms": 60_000, "track": track,
    })
}

pub fn dump(pid: i32, folder: &Folder, track: Value) -> Value {
    json!({
        "op": "dump", "tree": pid, "images_dir": folder.path(), "after": "stop", "copy": "all",
        "pages_name": "pages-{}.img", "ghost_limit": 1 << 20, "timeout_ms": 60_000, "track": track,
    })
}

pub fn track(pid: i32, action: &str) -> Value {
    let mut helper = Helper::start();
    helper.request(&json!({"op": "track", "tree": pid, "action": action, "timeout_ms": 60_000}));
    let answer = helper.frame().expect("an answer");
    helper.wait();
    answer
}

/// What came of a request whose set is good: the frames up to `captured`, of which `look` is told
/// while the tree is still held.
pub fn made(request: &Value, look: &mut dyn FnMut(&[Value])) {
    let mut helper = Helper::start();
    helper.request(request);
    let frames = helper.frames();
    assert_eq!(frames.last().expect("frames")["t"], "captured", "{:?}", frames.last());
    look(&frames);
    if request["after"] == "stop" || request["track"]["epoch"].is_string() {
        helper.request(&json!({"op": "finish", "action": "run"}));
        assert_eq!(helper.frame().expect("an end")["t"], "done");
    }
    assert_eq!(helper.wait(), Some(0));
}

/// The memory after a set, by its frames and what was before.
fn after(before: &Memory, frames: &[Value], folder: &Folder) -> Memory {
    let mut memory = Memory::new();
    let mut copied = BTreeMap::new();
    for frame in frames.iter().filter(|frame| frame["t"] == "pagemap" && frame["pid"].is_i64()) {
        let pid = frame["pid"].as_i64().unwrap() as i32;
        let space = memory.entry(pid).or_default();
        let next = copied.entry(pid).or_insert(0);
        let file = frame["pages_file"].as_str().map(|name| File::open(folder.path().join(name)));
        let runs = frame["runs"].as_array().unwrap().iter().flat_map(Value::as_u64);
        for run in runs.collect::<Vec<u64>>().chunks(3) {
            for page in run[0]..run[0] + run[1] {
                let mut bytes = [0; PAGE as usize];
                match run[2] & (COPIED | UNCHANGED) {
                    COPIED => {
                        let file = file.as_ref().unwrap().as_ref().unwrap();
                        file.read_exact_at(&mut bytes, *next * PAGE).unwrap();
                        *next += 1;
                    }
                    UNCHANGED => {
                        bytes = *before[&pid].get(&page).expect("a page of the set before")
                    }
                    bits => panic!("bits {bits}"),
                }
                assert!(space.insert(page, bytes).is_none(), "page {page:#x} is told twice");
            }
        }
    }
    memory
}

/// Where the kernel writes whenever a thread of a process goes on: their struct rseq.
fn rseqs(pid: i32, frames: &[Value]) -> Vec<u64> {
    let threads = frames.iter().filter(|frame| frame["t"] == "thread" && frame["pid"] == pid);
    let addresses = threads.filter_map(|thread| thread["rseq"]["ptr"].as_str());
    addresses.map(|hex| u64::from_str_radix(&hex[2..], 16).unwrap()).collect()
}

fn assert_is_memory(memory: &Memory, frames: &[Value]) {
    for (&pid, space) in memory {
        let rseqs = rseqs(pid, frames);
        let mem = File::open(format!("/proc/{pid}/mem")).unwrap();
        for (page, bytes) in space {
            let mut now = [0; PAGE as usize];
            mem.read_exact_at(&mut now, page * PAGE).unwrap();
            for rseq in rseqs.iter().filter(|rseq| **rseq / PAGE == *page) {
                let at = (rseq % PAGE) as usize;
                now[at..at + 32].copy_from_slice(&bytes[at..at + 32]);
            }
            assert!(now == *bytes, "pid {pid}, page {page:#x}");
        }
    }
}

/// Mappings that are registered with a userfaultfd.
pub fn registered(pid: i32) -> usize {
    fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap().matches(" uw").count()
}

/// The sets of a chain, as they are made, each with an id of its own.
pub struct Chain {
    pub pid: i32,
    pub memory: Memory,
    pub made: usize,
    left_out: BTreeMap<i32, u64>,
    /// What the last one told of tracking.
    pub last: Value,
}

impl Chain {
    pub fn new(pid: i32) -> Self {
        Chain { pid, memory: Memory::new(), made: 0, left_out: BTreeMap::new(), last: Value::Null }
    }

    pub fn predump(&mut self) {
        let (folder, track) = (Folder::new(), self.next());
        let request = predump(self.pid, &folder, track);
        made(&request, &mut |frames| self.add(frames, &folder));
    }

    /// What the sets hold together has to be the memory of the target, which is held.
    pub fn dump(&mut self) {
        let track = self.next();
        self.dump_with(track);
    }

    /// One that lets the tree run before anybody could look.
    pub fn dump_running(&mut self) {
        let (folder, track) = (Folder::new(), self.next());
        let mut request = dump(self.pid, &folder, track);
        request["after"] = json!("run");
        made(&request, &mut |frames| self.add(frames, &folder));
    }

    pub fn dump_with(&mut self, track: Value) {
        let folder = Folder::new();
        let request = dump(self.pid, &folder, track);
        made(&request, &mut |frames| {
            self.add(frames, &folder);
            assert_is_memory(&self.memory, frames);
        });
    }

    pub fn next(&mut self) -> Value {
        self.made += 1;
        json!({"epoch": self.made.to_string(), "since": (self.made - 1).to_string()})
    }

    pub fn add(&mut self, frames: &[Value], folder: &Folder) {
        self.memory = after(&self.memory, frames, folder);
        self.left_out.clear();
        for frame in frames.iter().filter(|frame| frame["t"] == "pagemap") {
            let runs: Vec<u64> =
                frame["runs"].as_array().unwrap().iter().flat_map(Value::as_u64).collect();
            let left_out = runs.chunks(3).filter(|run| run[2] & UNCHANGED != 0);
            let pages: u64 = left_out.map(|run| run[1]).sum();
            *self.left_out.entry(frame["pid"].as_i64().unwrap_or(0) as i32).or_default() += pages;
        }
        self.last = frames.last().unwrap()["track"].clone();
    }

    /// Pages of a process that the last set left out.
    pub fn unchanged_of(&self, pid: i32) -> u64 {
        self.left_out.get(&pid).copied().unwrap_or(0)
    }

    /// The last set knew what the one before was, and left out so many pages.
    pub fn unchanged(&self) -> u64 {
        assert!(self.last["since"].is_string(), "{}", self.last);
        self.last["unchanged"].as_u64().unwrap()
    }
}
