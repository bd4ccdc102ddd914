//! Pages served to a program that lives on while they are missing: tests/fixtures/lazy.c, which
//! hands over its userfaultfd as a restore does.

mod support;

use serde_json::{json, Value};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use support::helper::{Folder, Helper};
use support::target::build;

const PAGES: u64 = 2048;
const BASE: u64 = 0x10_0000;

/// A folder with a file of all pages, and a server in it.
struct Scene {
    folder: Folder,
    helper: Helper,
}

impl Scene {
    fn start(change: impl FnOnce(&mut Value)) -> Self {
        Scene::of(PAGES, &[], change)
    }

    /// With a file of so many pages, and more requests.
    fn of(pages: u64, requests: &[Value], change: impl FnOnce(&mut Value)) -> Self {
        let folder = Folder::new();
        let path = folder.path().join("pages");
        let bytes: Vec<u8> = (0..pages).flat_map(|n| (n + 1).to_le_bytes().repeat(512)).collect();
        std::fs::write(&path, bytes).unwrap();
        let mut serve = json!({
            "op": "serve", "folder": folder.path(), "socket": "lazy-pages.socket", "keep": false,
            "prefetch": "sequential", "record": false, "timeout_ms": 10_000,
            "sources": [{"kind": "file", "path": path}, {"kind": "file", "path": path}],
        });
        change(&mut serve);
        let mut helper = Helper::start();
        helper.request(&serve);
        let half = PAGES / 2;
        let runs = [BASE, half, 0, 0, BASE + half, half, 1, half];
        helper.request(&json!({"op": "table", "pid": 7, "runs": runs}));
        requests.iter().for_each(|request| helper.request(request));
        helper.request(&json!({"op": "listen"}));
        let mut scene = Scene { folder, helper };
        assert_eq!(scene.next()["t"], "listening");
        scene
    }

    fn run(&self, scenario: &str) -> Child {
        let mut words = scenario.split(' ');
        let mut command = Command::new(build("lazy"));
        command.arg(self.folder.path()).args(&mut words).spawn().unwrap()
    }

    /// The next frame that is no progress.
    fn next(&mut self) -> Value {
        loop {
            let frame = self.helper.frame().expect("a frame");
            if frame["t"] != "progress" {
                return frame;
            }
        }
    }

    /// Frames up to this one.
    fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut frames = Vec::new();
        while frames.last().is_none_or(|frame: &Value| frame["t"] != kind) {
            frames.push(self.next());
        }
        frames
    }

    fn end(mut self) {
        assert_eq!(self.until("done").len(), 1);
        assert_eq!(self.helper.wait(), Some(0));
        let left: Vec<_> = std::fs::read_dir(self.folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "only the pages are left: {left:?}");
    }
}

fn good(mut child: Child) {
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}");
}

fn count(frame: &Value, name: &str) -> u64 {
    frame[name].as_u64().unwrap_or_else(|| panic!("no {name} in {frame}"))
}

/// Run one scenario to its end; the last frames.
fn serve(scenario: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut scene = Scene::start(change);
    good(scene.run(scenario));
    let ended = scene.until("ended").pop().unwrap();
    scene.end();
    ended
}

fn lazily(request: &mut Value) {
    request["prefetch"] = "none".into();
}

#[test]
fn every_page_is_brought() {
    let ended = serve("all", |_| {});
    assert_eq!(count(&ended, "demanded") + count(&ended, "prefetched"), PAGES, "{ended}");
    assert_eq!((count(&ended, "tasks"), count(&ended, "zero")), (1, 0));
    assert_eq!(ended["finished"], true);
}

#[test]
fn nothing_is_brought_unasked() {
    let ended = serve("first 100", lazily);
    let brought = count(&ended, "demanded");
    assert!((100..116).contains(&brought), "{ended}");
    assert_eq!(count(&ended, "prefetched"), 0);
}

#[test]
fn faults_are_served_before_the_restore_is_finished() {
    let ended = serve("early", |_| {});
    assert_eq!(count(&ended, "prefetched"), 0, "{ended}");
}

#[test]
fn a_restore_that_falls_silent_is_served_on() {
    let ended = serve("silent", |_| {});
    assert_eq!(ended["finished"], false);
    assert_eq!(count(&ended, "poisoned"), 0);
}

#[test]
fn children_inherit_what_is_missing() {
    for change in [lazily, |_: &mut Value| {}] {
        let ended = serve("forks", change);
        assert!(count(&ended, "children") >= 1, "{ended}");
    }
}

#[test]
fn what_moves_is_brought_and_what_goes_is_not() {
    for change in [lazily, |_: &mut Value| {}] {
        let ended = serve("changes", change);
        assert!(count(&ended, "poisoned") == 0, "{ended}");
    }
    let ended = serve("changes", lazily);
    assert!(count(&ended, "dropped") > 250, "{ended}");
}

#[test]
fn memory_may_change_in_all_ways_at_once() {
    for _ in 0..5 {
        serve("storms", |_| {});
        serve("storms", lazily);
    }
}

#[test]
fn a_page_that_is_lost_is_a_sigbus() {
    let mut scene = Scene::of(1000, &[], |_| {});
    good(scene.run("buses 1000"));
    let frames = scene.until("ended");
    let failed: Vec<&Value> = frames.iter().filter(|frame| frame["t"] == "failed").collect();
    let lost: u64 = failed.iter().map(|frame| count(frame, "count")).sum();
    let ended = frames.last().unwrap();
    assert_eq!(lost, count(ended, "poisoned"));
    assert!((200..=PAGES - 1000).contains(&lost), "{ended}");
    let reason = failed[0]["reason"].as_str().unwrap();
    assert!(reason.contains("pages") && reason.contains("ends there"), "{reason}");
    scene.end();
}

#[test]
fn many_restores_at_once_and_one_of_them_dies() {
    let mut scene = Scene::start(|request| request["keep"] = true.into());
    let children: Vec<Child> =
        ["all", "changes", "dies", "forks", "all"].map(|scenario| scene.run(scenario)).into();
    children.into_iter().for_each(good);
    for _ in 0..5 {
        scene.until("ended");
    }
    good(scene.run("all"));
    scene.until("ended");
    scene.helper.request(&json!({"op": "stop", "rest": "copy"}));
    scene.end();
}

#[test]
fn what_makes_no_sense_is_refused_and_harms_nobody() {
    let mut scene = Scene::start(|_| {});
    let socket = scene.folder.path().join("lazy-pages.socket");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let idle = UnixStream::connect(&socket).unwrap();
    for garbage in [&[0u8, 0, 0, 0][..], &[0x7f; 100], &[7, 0, 0, 0, 1], &[1; 9]] {
        UnixStream::connect(&socket).unwrap().write_all(garbage).unwrap();
        assert_eq!(scene.next()["t"], "refused");
    }
    drop(UnixStream::connect(&socket).unwrap());
    good(scene.run("all"));
    scene.until("ended");
    scene.end();
    drop(idle);
}

#[test]
fn a_task_of_other_images_makes_the_restore_fail() {
    let mut scene = Scene::start(|_| {});
    good(scene.run("stranger"));
    let frames = scene.until("ended");
    let refused = frames.iter().find(|frame| frame["t"] == "refused").unwrap();
    assert!(refused["reason"].as_str().unwrap().contains("12345"), "{refused}");
    assert_eq!(frames.last().unwrap()["finished"], false);
    scene.end();
}

#[test]
fn a_server_that_is_to_stop_brings_what_is_missing() {
    let mut scene = Scene::start(lazily);
    let child = scene.run("buses 2048");
    scene.until("begun");
    scene.helper.request(&json!({"op": "stop", "rest": "copy"}));
    good(child);
    let ended = scene.until("ended").pop().unwrap();
    assert_eq!(count(&ended, "demanded") + count(&ended, "prefetched"), PAGES, "{ended}");
    scene.end();
}

#[test]
fn the_orchestrators_death_is_not_a_restores() {
    let mut scene = Scene::start(lazily);
    let child = scene.run("all");
    scene.until("begun");
    scene.helper.stdin = None;
    good(child);
    scene.until("ended");
    assert_eq!(scene.helper.wait(), Some(0));
}

#[test]
fn who_misses_pages_of_a_server_that_is_killed_finds_no_zeros() {
    let mut scene = Scene::start(lazily);
    good(scene.run("kills"));
    assert_eq!(scene.helper.wait(), None, "by a signal");
}

#[test]
fn what_is_touched_is_told_in_its_order() {
    let mut scene = Scene::start(|request| {
        lazily(request);
        request["record"] = true.into();
    });
    good(scene.run("first 3"));
    let frames = scene.until("ended");
    let touched = frames.iter().find(|frame| frame["t"] == "touched").unwrap();
    assert_eq!(touched["runs"], json!([BASE + 2, 1, BASE + 1, 1, BASE, 1]));
    scene.end();
}

#[test]
fn two_servers_do_not_share_a_place() {
    let mut scene = Scene::start(|_| {});
    let mut second = Helper::start();
    second.request(&json!({
        "op": "serve", "folder": scene.folder.path(), "socket": "lazy-pages.socket", "keep": false,
        "prefetch": "none", "record": false, "timeout_ms": 0, "sources": [],
    }));
    second.request(&json!({"op": "listen"}));
    let error = second.frame().unwrap();
    assert_eq!(error["code"], "E_WORK_DIR", "{error}");
    good(scene.run("all"));
    scene.until("ended");
    scene.end();
}
