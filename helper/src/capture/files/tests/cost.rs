//! What a capture costs; run by hand: cargo test --release -- --ignored --nocapture files::tests::cost

use super::{FileTable, Folder, Target};
use crate::capture::files::fact::device;
use crate::capture::files::PathOf;
use crate::limit::Limit;
use std::time::{Duration, Instant};

fn measure(name: &str, script: &str) {
    let mut target = Target::python(script);
    let count: u32 = target.ask("len(os.listdir('/proc/self/fd')) - 1").parse().unwrap();
    let images = Folder::new();
    let once = || {
        let start = Instant::now();
        let mut table = FileTable::default();
        table.capture(&target.task, &Limit::default()).unwrap();
        let pids = [target.task.pid];
        let facts = table.finish(&pids, &images.open(), 0, &Limit::default()).unwrap();
        let taken = start.elapsed();
        drop(facts);
        taken
    };
    super::super::warm(target.task.pid);
    let first = once();
    let mut taken: Vec<Duration> = (0..20).map(|_| once()).collect();
    taken.sort();
    let median = taken[10];
    let each = median / count;
    eprintln!("{name}: {count} descriptors: {median:?} ({each:?} each), the first time {first:?}");
}

/// The files that a python maps, all but the first of each asked in the two ways.
fn measure_mapped() {
    let target = Target::python("import ssl, sqlite3");
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", target.task.pid)).unwrap();
    let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let mut files: Vec<(PathOf, (u64, u64, &str))> = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" /")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (start, end) = words[0].split_once('-').unwrap();
        let (major, minor) = words[3].split_once(':').unwrap();
        let dev = device(hex(major) as u32, hex(minor) as u32);
        let mapped = PathOf::Mapped { start: hex(start), end: hex(end), writable: false };
        if files.last().is_none_or(|(_, (_, _, name))| *name != words[5]) {
            files.push((mapped, (dev, words[4].parse().unwrap(), words[5])));
        }
    }
    for round in 0..3 {
        let mut table = FileTable::default();
        let start = Instant::now();
        for (mapped, shown) in &files {
            table.mapped_file(target.task.pid, *mapped, *shown).unwrap();
        }
        let by_name = start.elapsed();
        let mut table = FileTable::default();
        let start = Instant::now();
        for (mapped, _) in &files {
            table.path_file(target.task.pid, *mapped).unwrap();
        }
        let by_mapping = start.elapsed();
        let count = files.len();
        eprintln!("round {round}: {count} mapped files: {by_name:?}, by map_files {by_mapping:?}");
    }
}

#[test]
#[ignore = "measures, and asserts nothing"]
fn cost() {
    measure_mapped();
    measure("small", "f = [open('f%d' % n, 'w') for n in range(5)]");
    measure("files", "f = [open('f%d' % n, 'w') for n in range(1000)]");
    measure("one file", "f = [os.open('/dev/null', 0) for n in range(1000)]");
    measure("duplicates", "f = [os.dup(0) for n in range(1000)]");
    measure("eventfds", "f = [os.eventfd(0) for n in range(1000)]");
    measure("pipes", "f = [os.pipe() for n in range(500)]");
    measure(
        "full pipes",
        "f = [os.pipe() for n in range(100)]\nfor r, w in f: os.write(w, b'x' * 65536)",
    );
    measure("unix", "f = [socket.socketpair() for n in range(500)]");
    measure("udp", "f = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for n in range(1000)]");
    measure(
        "epoll",
        "e = select.epoll(); f = [os.eventfd(0) for n in range(1000)]\nfor x in f: e.register(x)",
    );
}
