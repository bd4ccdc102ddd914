//! Page data of the programs in test/fixtures, stopped: which pages are found, and what is copied.

mod copying;
mod files;
mod rounds;
mod scanning;
mod segments;
mod snapshot;
mod swapped;
mod telling;
mod zeros;

use super::fixture::Fixture;
use super::*;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Every fixture whose memory is of a kind of its own.
const KINDS: [&str; 13] = [
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
    "zeros",
    "vdso",
];

fn request(copy: PageCopy, images_dir: &Path) -> DumpRequest {
    DumpRequest {
        tree: 0,
        images_dir: images_dir.to_owned(),
        after: Action::Stop,
        copy,
        pages_name: "pages-{}.img".into(),
        ghost_limit: 0,
        tcp: None,
        timeout_ms: 0,
        live: None,
        track: None,
        snapshot: false,
    }
}

fn captured(fixture: &Fixture, copy: PageCopy) -> Memory {
    let (pid, limit) = (fixture.pid(), Limit::default());
    let request = request(copy, &fixture.folder);
    let mut memory = Memory::prepare(&request, Changes::default(), &[pid], false, &limit).unwrap();
    memory.capture(pid, &mut |_, _| Ok(1)).unwrap();
    memory.scan(&limit).unwrap();
    memory
}

/// Copy as a dump does.
fn copied(memory: &mut Memory, progress: &mut dyn FnMut(u64, u64)) {
    memory.copy(&Limit::default(), progress).unwrap();
    memory.settle(&Limit::default()).unwrap();
}

/// Single pages of runs: number, lazy.
fn pages(runs: &[runs::Run]) -> Vec<(u64, bool)> {
    let single = |run: &runs::Run| {
        let lazy = run.lazy;
        (run.page..run.end()).map(move |page| (page, lazy))
    };
    runs.iter().flat_map(single).collect()
}

fn read(file: &File, page: u64) -> [u8; PAGE as usize] {
    let mut bytes = [0; PAGE as usize];
    file.read_exact_at(&mut bytes, page * PAGE).unwrap();
    bytes
}

fn mem(pid: i32) -> File {
    File::open(format!("/proc/{pid}/mem")).unwrap()
}

fn images(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("pages-")).collect();
    names.sort();
    names
}
