//! The frames that tell of memory. docs/protocol.md, "vmas", "shmem", "pagemap".

use super::runs::{Run, Triples};
use crate::capture::vma::Vma;
use crate::value::Hex;
use serde::Serialize;

/// Mappings in a frame.
const VMAS: usize = 2000;

/// Runs in a frame.
const RUNS: usize = 64 << 10;

#[derive(Serialize)]
#[serde(tag = "t", rename = "vmas")]
pub struct Vmas<'a> {
    pid: i32,
    vmas: &'a [Vma],
    #[serde(skip_serializing_if = "Option::is_none")]
    guards: Option<&'a [(Hex, Hex)]>,
}

/// The frames of one address space; guards come in the last.
pub fn vmas<'a>(
    pid: i32,
    vmas: &'a [Vma],
    guards: Option<&'a [(Hex, Hex)]>,
) -> impl Iterator<Item = Vmas<'a>> {
    parts(vmas, VMAS).map(move |(vmas, last)| Vmas { pid, vmas, guards: guards.filter(|_| last) })
}

#[derive(Serialize)]
#[serde(tag = "t", rename = "shmem")]
pub struct Shmem<'a> {
    pub ino: Hex,
    pub size: Hex,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages_file: Option<&'a str>,
}

/// Whose pages they are.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    Pid(i32),
    Shmem(Hex),
}

#[derive(Serialize)]
#[serde(tag = "t", rename = "pagemap")]
pub struct Pagemap<'a> {
    #[serde(flatten)]
    owner: Owner,
    #[serde(skip_serializing_if = "Option::is_none")]
    pages_file: Option<&'a str>,
    runs: Triples<'a>,
    last: bool,
}

/// The frames of one owner, one at least. `copied`: whether lazy runs were, and the others.
pub fn pagemap<'a>(
    owner: Owner,
    pages_file: Option<&'a str>,
    runs: &'a [Run],
    copied: (bool, bool),
) -> impl Iterator<Item = Pagemap<'a>> {
    parts(runs, RUNS).map(move |(runs, last)| {
        let runs = Triples { runs, copied };
        Pagemap { owner, pages_file, runs, last }
    })
}

/// Parts of at most `size`, one at least, and whether each is the last.
fn parts<T>(all: &[T], size: usize) -> impl Iterator<Item = (&[T], bool)> {
    let count = all.len().div_ceil(size).max(1);
    (0..count).map(move |nth| {
        let end = all.len().min((nth + 1) * size);
        (&all[nth * size..end], nth + 1 == count)
    })
}
