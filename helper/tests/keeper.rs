//! What a keeper keeps, and what not: an epoch is never one that is not true.

mod support;

use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use serde_json::{json, Value};
use support::chain::{dump, predump, registered, track, Chain};
use support::helper::{Folder, Helper};
use support::target::Target;

/// A helper that has made a set, and waits for whether it is good.
fn waiting(request: &Value) -> Helper {
    let mut helper = Helper::start();
    helper.request(request);
    assert_eq!(helper.frames().last().expect("frames")["t"], "captured");
    helper
}

fn keeper(pid: i32) -> i32 {
    track(pid, "status")["keeper"].as_i64().expect("a keeper") as i32
}

#[test]
fn a_set_that_is_not_good_leaves_no_epoch() {
    let target = Target::start("changing", &[]);
    let pid = target.pid();
    let mut chain = Chain::new(pid);
    chain.predump();
    chain.predump();
    assert!(chain.unchanged() > 0);
    for (after, killed) in [("run", false), ("stop", false), ("run", true)] {
        let folder = Folder::new();
        let mut request = dump(pid, &folder, json!({"epoch": "failed", "since": "2"}));
        request["after"] = json!(after);
        let mut helper = waiting(&request); // nobody says that it is good
        if killed {
            helper.kill();
        } else {
            assert_eq!(helper.wait(), Some(1));
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
        assert!(track(pid, "status")["epoch"].is_null());
        chain.dump();
        assert!(chain.last["since"].is_null(), "{}", chain.last);
        assert_eq!(chain.last["unchanged"], 0);
        chain.predump();
        assert!(chain.unchanged() > 0);
    }
    target.assert_free();
    track(pid, "stop");
}

#[test]
fn nor_does_a_first_one_leave_a_keeper() {
    let target = Target::start("changing", &[]);
    let pid = target.pid();
    let mut helper = waiting(&predump(pid, &Folder::new(), json!({"epoch": "1"})));
    assert_eq!(helper.wait(), Some(1));
    while track(pid, "status")["code"] != "E_NOT_TRACKED" {}
    assert_eq!(registered(pid), 0);
}

#[test]
fn a_keeper_that_is_killed_costs_a_whole_set() {
    let target = Target::start("changing", &[]);
    let pid = target.pid();
    let mut chain = Chain::new(pid);
    chain.predump();
    kill(Pid::from_raw(keeper(pid)), Signal::SIGKILL).unwrap();
    while registered(pid) > 0 {}
    chain.dump();
    assert!(chain.last["since"].is_null(), "{}", chain.last);
    // While a set is made: what the helper has goes to a new one.
    let folder = Folder::new();
    let track_as = chain.next();
    let mut helper = waiting(&predump(pid, &folder, track_as));
    let before = keeper(pid);
    kill(Pid::from_raw(before), Signal::SIGKILL).unwrap();
    helper.request(&json!({"op": "finish", "action": "run"}));
    assert_eq!(helper.frame().expect("an end")["t"], "done");
    assert_ne!(keeper(pid), before);
    assert_eq!(track(pid, "status")["epoch"], chain.made.to_string());
    track(pid, "stop");
}

#[test]
fn one_at_a_time_has_it() {
    let target = Target::start("changing", &[]);
    let pid = target.pid();
    let folder = Folder::new();
    let mut first = waiting(&predump(pid, &folder, json!({"epoch": "1"})));
    for other in [json!({"epoch": "2"}), json!({"since": "1"})] {
        let mut second = Helper::start();
        second.request(&dump(pid, &Folder::new(), other));
        assert_eq!(second.frames().last().expect("frames")["code"], "E_TOO_BUSY");
    }
    assert_eq!(track(pid, "stop")["code"], "E_TOO_BUSY");
    first.request(&json!({"op": "finish", "action": "run"}));
    assert_eq!(first.frame().expect("an end")["t"], "done");
    assert_eq!(first.wait(), Some(0));
    assert_eq!(track(pid, "status")["epoch"], "1");
    track(pid, "stop");
}

#[test]
fn a_dump_in_rounds_ends_the_epoch_and_what_is_tracked_is_told_of_by_nobody() {
    let target = Target::start("changing", &[]);
    let pid = target.pid();
    let mut chain = Chain::new(pid);
    chain.predump();
    let live = json!({"max_pause_us": 1, "max_rounds": 2, "on_slow": "dump"});
    for (copy, live) in [("none", Value::Null), ("all", live)] {
        let folder = Folder::new();
        let mut request = dump(pid, &folder, Value::Null);
        (request["copy"], request["live"]) = (json!(copy), live);
        let mut helper = Helper::start();
        helper.request(&request);
        let frames = helper.frames();
        assert_eq!(frames.last().expect("frames")["t"], "captured", "{:?}", frames.last());
        let mappings = frames.iter().filter(|frame| frame["t"] == "vmas");
        let flags = mappings.flat_map(|frame| frame["vmas"].as_array().unwrap());
        assert!(flags.clone().count() > 10);
        assert!(flags.clone().all(|vma| !vma["vmflags"].as_str().unwrap().contains("uw")));
    }
    assert!(track(pid, "status")["epoch"].is_null());
    chain.dump();
    assert!(chain.last["since"].is_null());
    chain.dump();
    assert!(chain.unchanged() > 0);
    track(pid, "stop");
    assert_eq!(registered(pid), 0);
}
