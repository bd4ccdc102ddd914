//! Chains of sets: each holds what was written since the one before, and together they hold what
//! the memory of the target is.

#[path = "../src/memory/fixture.rs"]
mod fixture;
mod support;

use fixture::Fixture;
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use support::helper::{Folder, Helper};

const PAGE: u64 = 4096;
const COPIED: u64 = 1;
const UNCHANGED: u64 = 4;

/// Every fixture whose memory is of a kind of its own.
const KINDS: [&str; 12] = [
    "anonymous",
    "heap",
    "stack",
    "guards",
    "filemaps",
    "deletedmaps",
    "protections",
    "madvise",
    "memfds",
    "sharedmem",
    "thp",
    "vdso",
];

type Page = [u8; PAGE as usize];

/// Memory as sets tell it: the bytes of each page of a process.
type Memory = BTreeMap<u64, Page>;

fn predump(pid: i32, folder: &Folder, track: Value) -> Value {
    json!({
        "op": "predump", "tree": pid, "images_dir": folder.path(), "pages_name": "pages-{}.img",
        "timeout_ms": 60_000, "track": track,
    })
}

fn dump(pid: i32, folder: &Folder, track: Value) -> Value {
    json!({
        "op": "dump", "tree": pid, "images_dir": folder.path(), "after": "stop", "copy": "all",
        "pages_name": "pages-{}.img", "ghost_limit": 1 << 20, "timeout_ms": 60_000, "track": track,
    })
}

fn track(pid: i32, action: &str) -> Value {
    let mut helper = Helper::start();
    helper.request(&json!({"op": "track", "tree": pid, "action": action, "timeout_ms": 60_000}));
    let answer = helper.frame().expect("an answer");
    helper.wait();
    answer
}

/// What came of a request whose set is good: the frames up to `captured`, of which `look` is told
/// while the tree is still held.
fn made(request: &Value, look: &mut dyn FnMut(&[Value])) {
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

/// The memory of a process after a set, by its frames and what was before.
fn after(before: &Memory, pid: i32, frames: &[Value], folder: &Folder) -> Memory {
    let mut memory = Memory::new();
    let mut copied = 0;
    for frame in frames.iter().filter(|frame| frame["t"] == "pagemap" && frame["pid"] == pid) {
        let file = frame["pages_file"].as_str().map(|name| File::open(folder.path().join(name)));
        let runs: Vec<u64> =
            frame["runs"].as_array().unwrap().iter().flat_map(Value::as_u64).collect();
        for run in runs.chunks(3) {
            for page in run[0]..run[0] + run[1] {
                let mut bytes = [0; PAGE as usize];
                match run[2] & (COPIED | UNCHANGED) {
                    COPIED => {
                        let file = file.as_ref().unwrap().as_ref().unwrap();
                        file.read_exact_at(&mut bytes, copied * PAGE).unwrap();
                        copied += 1;
                    }
                    UNCHANGED => bytes = *before.get(&page).expect("a page of the set before"),
                    bits => panic!("bits {bits}"),
                }
                assert!(memory.insert(page, bytes).is_none(), "page {page:#x} is told twice");
            }
        }
    }
    memory
}

/// Where the kernel writes whenever a thread goes on: struct rseq of the target's one thread.
fn rseq(frames: &[Value]) -> u64 {
    let thread = frames.iter().find(|frame| frame["t"] == "thread").expect("a thread");
    let address = thread["rseq"]["ptr"].as_str().map(|hex| hex.trim_start_matches("0x"));
    address.map_or(0, |hex| u64::from_str_radix(hex, 16).unwrap())
}

fn assert_is_memory_of(memory: &Memory, pid: i32, rseq: u64) {
    let mem = File::open(format!("/proc/{pid}/mem")).unwrap();
    for (page, bytes) in memory {
        let mut now = [0; PAGE as usize];
        mem.read_exact_at(&mut now, page * PAGE).unwrap();
        if rseq / PAGE == *page {
            let at = (rseq % PAGE) as usize;
            now[at..at + 32].copy_from_slice(&bytes[at..at + 32]);
        }
        assert!(now == *bytes, "page {page:#x}");
    }
}

/// Write to every so many pages of the fixture's writable anonymous memory; how many.
fn touch(pid: i32, every: usize) -> u64 {
    let mem = OpenOptions::new().read(true).write(true).open(format!("/proc/{pid}/mem")).unwrap();
    let mut touched = 0;
    for line in fs::read_to_string(format!("/proc/{pid}/maps")).unwrap().lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields[1] != "rw-p" || fields[4] != "0" {
            continue;
        }
        let (start, end) = fields[0].split_once('-').unwrap();
        let bound = |hex: &str| u64::from_str_radix(hex, 16).unwrap();
        for at in (bound(start)..bound(end)).step_by(every * PAGE as usize) {
            let mut byte = [0];
            if mem.read_exact_at(&mut byte, at + 1999).is_err() {
                continue; // a guard
            }
            mem.write_all_at(&[byte[0] ^ 0xff], at + 1999).unwrap();
            touched += 1;
        }
    }
    touched
}

/// Mappings that are registered with a userfaultfd.
fn registered(pid: i32) -> usize {
    fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap().matches(" uw").count()
}

/// The sets of a chain, as they are made.
struct Chain {
    pid: i32,
    memory: Memory,
    last: Value,
}

impl Chain {
    fn new(pid: i32) -> Self {
        Chain { pid, memory: Memory::new(), last: Value::Null }
    }

    fn predump(&mut self, track: Value) {
        let folder = Folder::new();
        let request = predump(self.pid, &folder, track);
        made(&request, &mut |frames| self.add(frames, &folder));
    }

    /// The memory that it makes whole has to be that of the target, which is held.
    fn dump(&mut self, track: Value) {
        let folder = Folder::new();
        let request = dump(self.pid, &folder, track);
        made(&request, &mut |frames| {
            self.add(frames, &folder);
            assert_is_memory_of(&self.memory, self.pid, rseq(frames));
        });
    }

    fn add(&mut self, frames: &[Value], folder: &Folder) {
        self.memory = after(&self.memory, self.pid, frames, folder);
        self.last = frames.last().unwrap()["track"].clone();
    }
}

/// Pages that are not all zeros.
fn full(memory: &Memory) -> Vec<u64> {
    let is_full = |bytes: &[u8]| bytes.iter().any(|&byte| byte != 0);
    memory.iter().filter(|(_, bytes)| is_full(&bytes[..])).map(|(page, _)| *page).collect()
}

#[test]
fn sets_together_hold_what_is_there() {
    for kind in KINDS {
        let Some(fixture) = Fixture::start(kind, &[]) else { continue };
        let pid = fixture.pid();
        let mut chain = Chain::new(pid);
        chain.predump(json!({"epoch": "a", "fallback": true}));
        touch(pid, 3);
        chain.predump(json!({"epoch": "b", "since": "a"}));
        assert_eq!(chain.last["since"], "a");
        assert!(chain.last["unchanged"].as_u64() > Some(0));
        touch(pid, 5);
        chain.dump(json!({"epoch": "c", "since": "b"}));
        touch(pid, 7);
        // One that makes no epoch leaves the one that is.
        for _ in 0..2 {
            chain.dump(json!({"since": "c"}));
            assert_eq!(chain.last["since"], "c");
        }
        // A plain dump, which leaves out pages of zeros, holds the same pages.
        let pages = full(&chain.memory);
        chain.dump(Value::Null);
        assert!(full(&chain.memory) == pages, "{kind}");
        assert_eq!(track(pid, "stop")["t"], "track");
        assert_eq!(registered(pid), 0, "{kind}");
    }
}
