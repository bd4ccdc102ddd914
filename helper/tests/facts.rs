//! What is told of a task and its threads is what the target set up (fixtures/facts.c).

mod support;

use serde_json::{json, Value};
use support::helper::{dump, dumped, Folder};
use support::target::Target;

fn of_kind<'a>(frames: &'a [Value], kind: &str) -> Vec<&'a Value> {
    frames.iter().filter(|frame| frame["t"] == kind).collect()
}

/// A 64-bit quantity.
fn hex(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().strip_prefix("0x").unwrap(), 16).unwrap()
}

/// siginfo_t: si_signo, si_code, and for sigqueue(3) its value.
fn siginfo(value: &Value) -> (i32, i32, i32) {
    use base64::prelude::{Engine, BASE64_STANDARD};
    let bytes = BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap();
    assert_eq!(bytes.len(), 128);
    let int = |at: usize| i32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    (int(0), int(8), int(24))
}

#[test]
fn of_a_task() {
    let target = Target::start("facts", &["all"]);
    let frames = dumped(&dump(target.pid(), &Folder::new()));
    let task = of_kind(&frames, "task")[0];
    assert_eq!(task["comm"], "facts");
    assert_eq!(task["umask"], 0o27);
    assert_eq!(task["personality"], 0x40000);
    assert_eq!(task["child_subreaper"], true);
    assert_eq!(task["dumpable"], 0);
    assert_eq!(task["thp_disabled"], true);
    assert_eq!(task["membarrier"], 1 << 4);
    assert_eq!(task["rlimits"].as_array().unwrap().len(), 16);
    assert_eq!(task["rlimits"][4], json!(["0x3039", "0x10932"]));

    let actions = task["sigactions"].as_array().unwrap();
    assert_eq!(actions.len(), 64);
    let action = |signo: i32| &actions[signo as usize - 1];
    assert_ne!(action(libc::SIGUSR1)["handler"], "0x0");
    let flags = libc::SA_SIGINFO | libc::SA_RESTART;
    assert_eq!(hex(&action(libc::SIGUSR1)["flags"]) as i32 & flags, flags);
    assert_eq!(action(libc::SIGUSR1)["mask"], format!("{:#x}", 1 << (libc::SIGHUP - 1)));
    assert_eq!(action(libc::SIGQUIT)["handler"], "0x1");
    assert_eq!(action(libc::SIGCHLD)["handler"], "0x0");
    assert_ne!(hex(&action(libc::SIGCHLD)["flags"]) as i32 & libc::SA_NOCLDWAIT, 0);
    for never in [libc::SIGKILL, libc::SIGSTOP] {
        let nothing = json!({"handler": "0x0", "flags": "0x0", "restorer": "0x0", "mask": "0x0"});
        assert_eq!(action(never), &nothing);
    }

    let real = &task["itimers"]["real"];
    assert_eq!(hex(&real["interval_us"]), 3_250_000);
    assert!((4_990_000_000..=5_000_000_000).contains(&hex(&real["value_us"])), "{real}");
    assert_eq!(task["itimers"]["prof"], json!({"interval_us": "0x0", "value_us": "0x0"}));
    let timer = &task["posix_timers"][0];
    assert_eq!(timer["clockid"], libc::CLOCK_MONOTONIC);
    assert_eq!((&timer["notify"], &timer["signo"]), (&json!(0), &json!(libc::SIGUSR1)));
    assert_eq!(hex(&timer["sigval"]) as i32, 99);
    assert_eq!(hex(&timer["interval_ns"]), 7_000_000);
    assert!((3_590..=3_600).contains(&(hex(&timer["value_ns"]) / 1_000_000_000)), "{timer}");

    let pending: Vec<_> = task["pending"].as_array().unwrap().iter().map(siginfo).collect();
    assert_eq!(pending, [(libc::SIGUSR1, libc::SI_QUEUE, 7)]);
    target.end();
}

#[test]
fn of_a_thread() {
    let target = Target::start("facts", &["all"]);
    let tids = target.tids();
    let frames = dumped(&dump(target.pid(), &Folder::new()));
    let threads = of_kind(&frames, "thread");
    assert_eq!(threads.len(), 2);
    let [leader, other] = threads[..] else { panic!() };
    assert_eq!(leader["tid"], tids[0]);
    assert_eq!(hex(&leader["sigmask"]), 1 << (libc::SIGUSR1 - 1));
    assert_eq!(leader["altstack"]["flags"], libc::SS_DISABLE);
    assert_eq!(leader["pending"], json!([]));

    assert_eq!(other["tid"], tids[1]);
    assert_eq!(other["comm"], "a \\ thread");
    let signo = libc::SIGRTMIN() + 3;
    let pending: Vec<_> = other["pending"].as_array().unwrap().iter().map(siginfo).collect();
    assert_eq!(pending, [(signo, libc::SI_QUEUE, 4242)]);
    assert_eq!(hex(&other["sigmask"]), 1 << (libc::SIGUSR1 - 1) | 1 << (signo - 1));
    assert_eq!(other["altstack"]["size"], "0x8000");
    assert_eq!(other["pdeath_signal"], libc::SIGUSR2);
    assert_eq!(other["sched"]["policy"], libc::SCHED_BATCH);
    assert_eq!(other["sched"]["nice"], 5);
    assert_eq!(other["no_new_privs"], true);
    assert_eq!(other["regs"]["orig_ax"], format!("{:#x}", libc::SYS_pause));
    assert_eq!(hex(&other["regs"]["ax"]) as i64, -514, "ERESTARTNOHAND, as the kernel left it");
    for thread in [leader, other] {
        assert_ne!(thread["clear_child_tid"], "0x0", "glibc sets it");
        assert_ne!(thread["robust_list"]["head"], "0x0");
        assert_eq!(thread["rseq"]["signature"], 0x5305_3053);
        assert_eq!(thread["creds"]["uid"], nix::unistd::getuid().as_raw());
    }
    target.end();
}

#[test]
fn of_a_process_whose_filter_kills_it_for_asking() {
    let target = Target::start("facts", &["seccomp"]);
    let frames = dumped(&dump(target.pid(), &Folder::new()));
    assert_eq!(of_kind(&frames, "thread")[0]["seccomp"], 2);
    target.assert_free();
    assert_eq!(target.status(target.pid(), "Seccomp"), "2");
    target.end();
}
