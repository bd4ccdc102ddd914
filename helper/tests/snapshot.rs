//! Dumps whose pages are copied after the thaw, from a child that the target is made to have: however
//! they end, nothing of them is left in the target.

mod support;

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag};
use nix::unistd::Pid;
use serde_json::{json, Value};
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::helper::{dump, dumped, Folder, Helper};
use support::target::{build, Target};

const NAME: &str = "ckpt-snapshot";

/// More than is told of in one report of progress.
const LARGE: &str = "memory = bytearray(b'x') * (192 << 20)\n\
                     print('ready', flush=True)\n\
                     import signal; signal.signal(15, lambda *_: exit(0))\n\
                     while True: signal.pause()";

fn snapshot(tree: i32, folder: &Folder) -> Value {
    let mut request = dump(tree, folder);
    request["copy"] = "all".into();
    request["snapshot"] = true.into();
    request
}

/// None, with a printed reason, where there is no such interpreter.
fn large() -> Option<Target> {
    if Command::new("python3").arg("-V").output().is_err() {
        println!("SKIP: no python3");
        return None;
    }
    Some(Target::spawn(Command::new("python3").args(["-c", LARGE])))
}

/// The children of a process: name and state.
fn children(pid: i32) -> Vec<(i32, String, char)> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let told = |child: &str| {
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).ok()?;
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(") ")?;
        Some((child.parse().ok()?, name.to_owned(), rest.chars().next()?))
    };
    text.split_whitespace().filter_map(told).collect()
}

/// What a snapshot child is once it is dead.
fn dead((_, name, state): &(i32, String, char)) -> bool {
    (&**name, *state) == (NAME, 'Z')
}

/// Begin a dump, and come to where pages are being copied.
fn copying(request: &Value) -> Helper {
    let mut helper = Helper::start();
    helper.request(request);
    let frame = helper.frame().expect("progress");
    assert_eq!((&frame["t"], &frame["phase"]), (&json!("progress"), &json!("copy")), "{frame}");
    helper
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited for {what}");
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_target_does_not_notice() {
    let threads = ["sleep", "futex", "poll", "vector", "wide", "tile", "rseq", "mask"];
    let target = Target::start("vigil", &threads);
    for _ in 0..10 {
        let folder = Folder::new();
        let frames = dumped(&snapshot(target.pid(), &folder));
        let captured = frames.last().unwrap();
        assert_eq!(captured["snapshot"]["copied_after"], captured["pages"]["present"]);
        assert!(
            captured["snapshot"]["clone_us"].as_u64() < captured["times_us"]["frozen"].as_u64()
        );
        assert_eq!(frames.iter().filter(|frame| frame["t"] == "task").count(), 1);
        assert_eq!(children(target.pid()), []);
        target.assert_free();
        sleep(Duration::from_millis(7));
    }
    assert_eq!(target.end(), "interrupted 0\n");
}

#[test]
fn while_it_copies_the_target_runs_and_its_child_holds_nothing_open() {
    let Some(target) = large() else { return };
    let folder = Folder::new();
    let mut helper = copying(&snapshot(target.pid(), &folder));
    target.assert_free();
    let [(child, name, 't')] = &children(target.pid())[..] else { panic!("one stopped child") };
    assert_eq!(name, NAME);
    assert_eq!(fs::read_dir(format!("/proc/{child}/fd")).unwrap().count(), 0);
    assert_eq!(fs::read_to_string(format!("/proc/{child}/oom_score_adj")).unwrap(), "1000\n");
    assert_eq!(helper.frames().last().unwrap()["t"], "captured");
    assert_eq!(children(target.pid()), []);
    target.end();
}

#[test]
fn a_killed_helper_leaves_a_dead_child_that_the_next_dump_takes_away() {
    let Some(target) = large() else { return };
    let folder = Folder::new();
    let mut helper = copying(&snapshot(target.pid(), &folder));
    helper.kill();
    until("the child's end", || children(target.pid()).iter().all(dead));
    assert_eq!(children(target.pid()).len(), 1);
    target.assert_free();
    let frames = dumped(&dump(target.pid(), &folder));
    assert_eq!(frames.iter().filter(|frame| frame["t"] == "task").count(), 1);
    assert_eq!(children(target.pid()), []);
    target.end();
}

/// Of any moment of a dump, and with a child that has yet to die as the next begins.
#[test]
fn killed_helpers_leave_no_more_than_that() {
    let target = Target::start("vigil", &["sleep", "vector", "rseq", "mask"]);
    let start = Instant::now();
    dumped(&snapshot(target.pid(), &Folder::new()));
    let whole = start.elapsed();
    let mut left = 0;
    for nth in 0..100 {
        let folder = Folder::new();
        let mut helper = Helper::start();
        helper.request(&snapshot(target.pid(), &folder));
        sleep(whole * nth / 100);
        helper.kill();
        left += children(target.pid()).len();
    }
    println!("{left} dead children");
    until("the last one's end", || children(target.pid()).iter().all(dead));
    dumped(&dump(target.pid(), &Folder::new()));
    assert_eq!(children(target.pid()), []);
    target.assert_free();
    println!("{}", target.end());
}

#[test]
fn an_orchestrator_that_dies_leaves_nothing() {
    let Some(target) = large() else { return };
    let folder = Folder::new();
    let mut helper = copying(&snapshot(target.pid(), &folder));
    helper.wait(); // closes its stdin
    assert_eq!(children(target.pid()), []);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    target.assert_free();
    target.end();
}

#[test]
fn a_target_that_is_killed_meanwhile_is_in_the_images() {
    let Some(target) = large() else { return };
    set_child_subreaper(true).unwrap();
    let folder = Folder::new();
    let mut helper = copying(&snapshot(target.pid(), &folder));
    let child = children(target.pid())[0].0;
    target.signal(Signal::SIGKILL);
    let captured = helper.frames().pop().unwrap();
    assert_eq!(captured["t"], "captured", "{captured}");
    assert_eq!(captured["snapshot"]["copied_after"], captured["pages"]["present"]);
    assert_eq!(helper.wait(), Some(0));
    drop(target);
    // Whoever adopts orphans gets it: we do.
    waitpid(Pid::from_raw(child), Some(WaitPidFlag::__WALL)).unwrap();
}

#[test]
fn a_child_that_is_killed_is_an_error() {
    let Some(target) = large() else { return };
    let folder = Folder::new();
    let mut helper = copying(&snapshot(target.pid(), &folder));
    kill(Pid::from_raw(children(target.pid())[0].0), Signal::SIGKILL).unwrap();
    let error = helper.frames().pop().unwrap();
    assert_eq!(
        (&error["code"], &error["pid"]),
        (&json!("E_KERNEL"), &json!(target.pid())),
        "{error}"
    );
    assert!(error["message"].as_str().unwrap().contains("it was killed"), "{error}");
    assert_eq!(helper.wait(), Some(1));
    assert_eq!(children(target.pid()), []);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    target.assert_free();
    target.end();
}

fn refused(tree: i32) -> Value {
    let folder = Folder::new();
    let mut helper = Helper::start();
    helper.request(&snapshot(tree, &folder));
    let error = helper.frames().pop().unwrap();
    assert_eq!(error["t"], "error", "{error}");
    assert_eq!(helper.wait(), Some(1));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    error
}

fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("SKIP: not root");
    }
    root
}

#[test]
fn who_may_have_no_more_processes_is_told_so() {
    if !is_root() {
        return;
    }
    let mut command = Command::new("prlimit");
    let target = Target::spawn(command.arg("--nproc=1").arg(build("vigil")).uid(54_321));
    let error = refused(target.pid());
    assert_eq!(
        (&error["code"], &error["pid"]),
        (&json!("E_KERNEL"), &json!(target.pid())),
        "{error}"
    );
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("may have 1 processes (RLIMIT_NPROC)"), "{message}");
    assert!(error["remedy"].as_str().unwrap().contains("without --snapshot"), "{error}");
    target.assert_free();
    assert_eq!(target.end(), "interrupted 0\n");
}

/// The first process of a pid namespace, which any orphan would go to; and the one that made the
/// namespace, whose next child would be that first process.
#[test]
fn in_a_pid_namespace() {
    if !is_root() {
        return;
    }
    let mut unshare = Command::new("unshare");
    let unshare = unshare.args(["--pid", "--fork", "--kill-child"]).arg(build("vigil"));
    let outer = Target::spawn(unshare);
    let first = children(outer.pid())[0].0;
    let folder = Folder::new();
    dumped(&snapshot(first, &folder));
    assert_eq!(children(first), []);
    let error = refused(outer.pid());
    assert_eq!(error["code"], "E_UNSUPPORTED_OBJECT", "{error}");
    assert!(error["message"].as_str().unwrap().contains("namespace"), "{error}");
    assert_eq!(children(outer.pid()).len(), 1);
    kill(Pid::from_raw(first), Signal::SIGTERM).unwrap();
    assert_eq!(outer.ended(), "interrupted 0\n");
}

#[test]
fn only_of_a_tree_that_runs_on() {
    let target = Target::start("vigil", &[]);
    let live = json!({"max_pause_us": 10_000, "max_rounds": 3, "on_slow": "dump"});
    for (name, value) in [
        ("after", json!("kill")),
        ("after", json!("stop")),
        ("copy", json!("none")),
        ("copy", json!("unlazy")),
        ("live", live),
        ("track", json!({})),
    ] {
        let folder = Folder::new();
        let mut request = snapshot(target.pid(), &folder);
        request[name] = value;
        let mut helper = Helper::start();
        helper.request(&request);
        assert_eq!(helper.frames().pop().unwrap()["code"], "E_PROTOCOL", "{name}");
    }
    target.end();
}
