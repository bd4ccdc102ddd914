//! Chains of sets: each holds what was written since the one before, and together they hold what
//! the memory of the target is.

#[path = "../src/memory/fixture.rs"]
mod fixture;
mod support;

use fixture::Fixture;
use serde_json::{json, Value};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use support::chain::{registered, track, Chain, PAGE};
use support::target::Target;

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

/// Pages of a process that are not all zeros.
fn full(chain: &Chain, pid: i32) -> Vec<u64> {
    let is_full = |bytes: &[u8]| bytes.iter().any(|&byte| byte != 0);
    chain.memory[&pid]
        .iter()
        .filter(|(_, bytes)| is_full(&bytes[..]))
        .map(|(page, _)| *page)
        .collect()
}

#[test]
fn sets_together_hold_what_is_there() {
    for kind in KINDS {
        let Some(fixture) = Fixture::start(kind, &[]) else { continue };
        let pid = fixture.pid();
        let mut chain = Chain::new(pid);
        chain.predump();
        touch(pid, 3);
        chain.predump();
        assert!(chain.unchanged() > 0, "{kind}");
        touch(pid, 5);
        chain.dump();
        assert!(chain.unchanged() > 0, "{kind}");
        touch(pid, 7);
        // One that makes no epoch leaves the one that is.
        for _ in 0..2 {
            chain.dump_with(json!({"since": "3"}));
            assert!(chain.unchanged() > 0, "{kind}");
        }
        // A plain dump, which leaves out pages of zeros, holds the same pages.
        let pages = full(&chain, pid);
        chain.dump_with(Value::Null);
        assert!(full(&chain, pid) == pages, "{kind}");
        assert_eq!(track(pid, "stop")["t"], "track");
        assert_eq!(registered(pid), 0, "{kind}");
    }
}

#[test]
fn whatever_a_process_does_its_sets_hold_it() {
    let mut target = Target::start("changing", &[]);
    let pid = target.pid();
    let mut chain = Chain::new(pid);
    chain.predump();
    for word in ["grow", "move", "move", "drop", "move", "grow", "fork", "grow", "drop"] {
        target.ask(word);
        chain.predump();
        target.ask("move");
        chain.dump();
        assert!(chain.unchanged() > 500, "{word}: {}", chain.last);
    }
    target.ask("exec");
    chain.dump();
    assert!(chain.memory[&pid].len() > 2000);
    assert_eq!(chain.unchanged_of(pid), 0);
    chain.dump();
    assert!(chain.unchanged_of(pid) > 1900);
    target.assert_free();
    track(pid, "stop");
}

#[test]
fn a_set_that_lets_the_tree_run_at_once_is_as_good() {
    let mut target = Target::start("changing", &[]);
    let mut chain = Chain::new(target.pid());
    for _ in 0..20 {
        target.ask("grow"); // what is new and what was there become one mapping
        chain.dump_running();
    }
    chain.dump();
    assert!(chain.unchanged() > 1000);
    track(target.pid(), "stop");
}

/// What was assumed from before the freeze was wrong: the tree is frozen again, and what the first
/// pass found to be written is not in the set before.
#[test]
fn nothing_is_lost_of_a_pass_that_has_to_be_made_again() {
    let mut target = Target::start("changing", &["16384"]);
    let mut chain = Chain::new(target.pid());
    target.ask("fidget");
    chain.predump();
    for _ in 0..6 {
        chain.dump_running();
        chain.dump();
        assert!(chain.unchanged() > 0);
    }
    track(target.pid(), "stop");
}

/// Whoever writes between the look at a page and its protection has written.
#[test]
fn nothing_is_lost_of_one_who_writes_all_the_time() {
    let target = Target::start("changing", &["16384"]);
    let mut chain = Chain::new(target.pid());
    for _ in 0..6 {
        chain.predump();
        chain.dump();
        assert!(chain.unchanged() > 8000, "{}", chain.last);
    }
    track(target.pid(), "stop");
}
