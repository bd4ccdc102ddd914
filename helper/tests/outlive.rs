//! The target outlives us: dumped again and again, and with the helper killed at any moment, it
//! goes on as if nothing had been. The target itself looks (fixtures/vigil.c).

mod support;

use nix::sys::signal::Signal;
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::helper::{dump, dumped, Folder, Helper};
use support::target::Target;

const THREADS: [&str; 8] = ["sleep", "futex", "poll", "vector", "wide", "tile", "rseq", "mask"];

/// A cheap source of moments: xorshift.
struct Moments(u64);

impl Moments {
    fn below(&mut self, limit: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        limit * (self.0 % 1000) as u32 / 1000
    }
}

#[test]
fn a_dumped_target_does_not_notice() {
    let target = Target::start("vigil", &THREADS);
    let folder = Folder::new();
    for _ in 0..20 {
        dumped(&dump(target.pid(), &folder));
        target.assert_free();
        sleep(Duration::from_millis(7));
    }
    assert_eq!(target.end(), "interrupted 0\n");
}

#[test]
fn nor_if_its_stack_is_in_use_to_the_end_or_not_at_all() {
    for threads in [&["deep"][..], &["sleep", "vector", "deep"], &["coroutine"]] {
        let target = Target::start("vigil", threads);
        let folder = Folder::new();
        for _ in 0..5 {
            dumped(&dump(target.pid(), &folder));
        }
        assert_eq!(target.end(), "interrupted 0\n");
    }
}

/// How long a dump takes, from its request on.
fn duration(target: &Target) -> Duration {
    let folder = Folder::new();
    let mut helper = Helper::start();
    let start = Instant::now();
    helper.request(&dump(target.pid(), &folder));
    helper.frames();
    start.elapsed()
}

#[test]
fn a_killed_helper_leaves_it_as_it_was() {
    let target = Target::start("vigil", &THREADS);
    let blocked = |target: &Target| {
        let tids = target.tids();
        tids.into_iter().map(|tid| (tid, target.status(tid, "SigBlk"))).collect::<Vec<_>>()
    };
    let (before, duration) = (blocked(&target), duration(&target));
    let mut moments = Moments(88172645463325252);
    let folder = Folder::new();
    for _ in 0..300 {
        let mut helper = Helper::start();
        helper.request(&dump(target.pid(), &folder));
        sleep(moments.below(duration));
        helper.kill();
    }
    sleep(Duration::from_millis(50));
    target.assert_free();
    assert_eq!(blocked(&target), before);
    let said = target.end();
    println!("{} in 300", said.trim());
}

#[test]
fn nor_does_an_orchestrator_that_dies() {
    let target = Target::start("vigil", &THREADS);
    let duration = duration(&target);
    let mut moments = Moments(3141592653589793);
    let folder = Folder::new();
    for _ in 0..50 {
        let mut helper = Helper::start();
        helper.request(&dump(target.pid(), &folder));
        sleep(moments.below(duration));
        helper.wait(); // closes its stdin
        target.assert_free();
    }
    assert_eq!(target.end(), "interrupted 0\n");
}

#[test]
fn a_signal_to_the_helper_ends_the_dump_with_an_error() {
    let target = Target::start("vigil", &["sleep"]);
    let folder = Folder::new();
    let mut helper = Helper::start();
    let mut request = dump(target.pid(), &folder);
    request["after"] = "kill".into(); // held until finish
    helper.request(&request);
    assert_eq!(helper.frames().pop().expect("frames")["t"], "captured");
    assert!(target.status(target.pid(), "State").starts_with('t'));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(helper.pid()), Signal::SIGTERM).unwrap();
    assert_eq!(helper.frame().expect("an error")["code"], "E_ABORTED");
    assert_eq!(helper.wait(), Some(1));
    target.assert_free();
    assert_eq!(target.end(), "interrupted 0\n");
}
