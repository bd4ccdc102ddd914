//! Holes in files: where they were asked for, and nowhere else.

mod support;

use serde_json::{json, Value};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use support::helper::Helper;

const PAGE: usize = 4096;

/// A file of `pages` pages of ones, in a folder that is removed with this.
struct Pages(PathBuf);

impl Pages {
    fn new(name: &str, pages: usize) -> Self {
        let path = std::env::temp_dir().join(format!("ckpt-punch-{}-{name}", std::process::id()));
        File::create(&path).unwrap().write_all(&vec![1; pages * PAGE]).unwrap();
        Pages(path)
    }

    /// Of each page, whether it is a hole or all zeros.
    fn zeros(&self) -> Vec<bool> {
        let bytes = fs::read(&self.0).unwrap();
        bytes.chunks(PAGE).map(|page| page.iter().all(|&byte| byte == 0)).collect()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn request(path: &Path, ranges: &[u64]) -> Value {
    json!({"op": "punch", "path": path, "ranges": ranges})
}

/// The one answer of a helper that is asked once.
fn answer(path: &Path, ranges: &[u64]) -> Value {
    let mut helper = Helper::start();
    helper.request(&request(path, ranges));
    helper.frame().unwrap()
}

#[test]
fn holes_are_where_they_were_asked_for_and_the_disk_is_given_back() {
    let pages = Pages::new("holes", 8);
    let before = fs::metadata(&pages.0).unwrap().blocks();
    let mut helper = Helper::start();
    helper.request(&request(&pages.0, &[4096, 8192, 28672, 4096]));
    assert_eq!(helper.frame().unwrap(), json!({"t": "punched", "freed": 3 * PAGE}));
    helper.request(&request(&pages.0, &[0, 4096]));
    assert_eq!(helper.frame().unwrap()["freed"], PAGE);
    helper.request(&request(&pages.0, &[]));
    assert_eq!(helper.frame().unwrap()["freed"], 0);
    assert_eq!(helper.wait(), Some(0), "the end of the requests is a good end");
    assert_eq!(pages.zeros(), [true, true, true, false, false, false, false, true]);
    let after = fs::metadata(&pages.0).unwrap();
    assert_eq!((after.len(), before - after.blocks()), (8 * PAGE as u64, 4 * PAGE as u64 / 512));
}

#[test]
fn what_is_no_whole_page_within_the_file_is_refused_and_nothing_is_punched() {
    let pages = Pages::new("within", 4);
    let wrong: [&[u64]; 7] = [
        &[0],
        &[0, 4096, 1, 4096],
        &[0, 4096, 4096, 100],
        &[0, 4096, 4096, 0],
        &[0, 4096, 12288, 8192],
        &[0, 4096, u64::MAX - 4095, 4096],
        &[0, 4096, 1 << 63, 4096],
    ];
    for ranges in wrong {
        let error = answer(&pages.0, ranges);
        assert_eq!(error["code"], "E_WRITE", "{ranges:?}: {error}");
        assert_eq!(pages.zeros(), [false; 4], "{ranges:?}");
    }
}

#[test]
fn what_is_no_file_of_one_name_is_refused() {
    let pages = Pages::new("name", 1);
    let other = pages.0.with_extension("link");
    let _ = fs::remove_file(&other);
    std::os::unix::fs::symlink(&pages.0, &other).unwrap();
    assert_eq!(answer(&other, &[0, 4096])["code"], "E_WRITE");
    fs::remove_file(&other).unwrap();
    fs::hard_link(&pages.0, &other).unwrap();
    let error = answer(&pages.0, &[0, 4096]);
    assert!(error["message"].as_str().unwrap().contains("another name"), "{error}");
    fs::remove_file(&other).unwrap();
    for path in ["/dev/null", "/tmp", "relative", "/nowhere/at/all"] {
        let error = answer(Path::new(path), &[]);
        assert_eq!(error["code"], "E_WRITE", "{path}: {error}");
    }
    assert_eq!(pages.zeros(), [false]);
}
