//! Whole trees: who belongs to one, what its tasks share, and trees that change while they are
//! frozen.

mod support;

use nix::sys::signal::Signal;
use serde_json::Value;
use std::collections::HashMap;
use support::helper::{dump, dumped, Folder, Helper};
use support::target::Target;

/// The task frames, by pid.
fn tasks(frames: &[Value]) -> HashMap<i64, &Value> {
    let tasks = frames.iter().filter(|frame| frame["t"] == "task");
    tasks.map(|task| (task["pid"].as_i64().unwrap(), task)).collect()
}

#[test]
fn a_family() {
    let target = Target::start("tree", &["family"]);
    let frames = dumped(&dump(target.pid(), &Folder::new()));
    let tasks = tasks(&frames);
    let root = i64::from(target.pid());
    assert_eq!(tasks.len(), 5);
    let find = |what: &dyn Fn(&Value) -> bool| {
        *tasks.values().find(|task| what(task)).expect("such a task")
    };

    let zombie = find(&|task| task["state"] == "zombie");
    assert_eq!(zombie["exit_code"], 7 << 8);
    assert_eq!(zombie["ppid"], root);
    assert_eq!(zombie.get("mm"), None);

    let leader = find(&|task| task["sid"] == task["pid"] && task["pid"] != root);
    let grandchild = find(&|task| task["ppid"] == leader["pid"]);
    assert_eq!(grandchild["sid"], leader["pid"]);
    assert_eq!(grandchild["share"]["vm"], grandchild["pid"]);

    let twin = find(&|task| task["share"]["vm"] == root && task["pid"] != root);
    assert_eq!(twin["share"]["files"], root);
    assert_eq!(twin["share"]["fs"], twin["pid"]);
    assert_eq!(twin["share"]["sighand"], twin["pid"]);

    let order: Vec<i64> =
        frames.iter().filter(|f| f["t"] == "task").map(|f| f["pid"].as_i64().unwrap()).collect();
    let place = |pid: &Value| order.iter().position(|&p| Some(p) == pid.as_i64());
    assert!(place(&leader["pid"]) < place(&grandchild["pid"]), "parents before children");
    let threads = frames.iter().filter(|frame| frame["t"] == "thread").count();
    assert_eq!(threads, 4, "one for each that lives");
}

#[test]
fn a_tree_that_forks_is_had_as_a_whole_or_not_at_all() {
    let target = Target::start("tree", &["storm"]);
    let folder = Folder::new();
    let mut whole = 0;
    for _ in 0..30 {
        let mut helper = Helper::start();
        helper.request(&dump(target.pid(), &folder));
        let frames = helper.frames();
        let last = frames.last().expect("frames");
        if last["t"] == "captured" {
            let tasks = tasks(&frames);
            let complete = |task: &&Value| {
                let parent = task["ppid"].as_i64().unwrap();
                task["pid"] == target.pid() || tasks.contains_key(&parent)
            };
            assert!(tasks.values().all(complete), "every parent is there");
            whole += 1;
        }
        helper.wait();
    }
    assert!(whole >= 20, "{whole} of 30 dumps succeeded");
    target.assert_free();
    target.end();
}

/// What a target's state is once the dump has finished, by what was asked for.
fn finished(after: &str, action: &str) -> (Target, Option<char>) {
    let target = Target::start("vigil", &["sleep", "vector"]);
    let folder = Folder::new();
    let mut request = dump(target.pid(), &folder);
    request["after"] = after.into();
    let mut helper = Helper::start();
    helper.request(&request);
    assert_eq!(helper.frames().last().expect("frames")["t"], "captured");
    helper.request(&serde_json::json!({"op": "finish", "action": action}));
    let done = helper.frame().expect("done");
    assert!(done["times_us"]["frozen"].as_u64().unwrap() > 0, "{done}");
    assert_eq!(helper.wait(), Some(0));
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", target.pid())).ok();
    let state = stat.and_then(|stat| stat[stat.rfind(')')? + 2..].chars().next());
    (target, state)
}

#[test]
fn killed_once_the_set_is_written() {
    let (_target, state) = finished("kill", "kill");
    assert_eq!(state, Some('Z'), "we are its parent and have not waited");
}

#[test]
fn kept_alive_where_the_set_could_not_be_written() {
    let (target, _) = finished("kill", "run");
    target.assert_free();
    assert_eq!(target.end(), "interrupted 0\n");
}

#[test]
fn left_stopped() {
    let (target, state) = finished("stop", "stop");
    assert_eq!(state, Some('T'));
    target.signal(Signal::SIGCONT);
    assert_eq!(target.end(), "interrupted 0\n");
}

#[test]
fn a_stopped_target_stays_stopped() {
    let target = Target::start("vigil", &["sleep", "mask"]);
    target.signal(Signal::SIGSTOP);
    while !target.status(target.pid(), "State").starts_with('T') {}
    let frames = dumped(&dump(target.pid(), &Folder::new()));
    let task = tasks(&frames)[&i64::from(target.pid())];
    assert_eq!((&task["state"], &task["stop_signo"]), (&"stopped".into(), &19.into()));
    std::thread::sleep(std::time::Duration::from_millis(30));
    for tid in target.tids() {
        assert_eq!(target.status(tid, "State"), "T (stopped)");
        assert_eq!(target.status(tid, "TracerPid"), "0");
    }
    target.signal(Signal::SIGCONT);
    target.end();
}
