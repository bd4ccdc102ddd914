//! The tracer dies at each step of a system call. A tracee belongs to one thread of its tracer, so
//! a thread of ours that just ends is to the kernel a tracer that was killed.

use super::cradle::Cradle;
use super::*;
use crate::capture::process;
use crate::capture::regs::Context;
use crate::capture::status::Status;
use crate::dump::reap::reap;
use crate::freeze::Frozen;
use crate::remote::{run, Arg, Bell, Gadgets, Room, Script, CHILD};
use crate::testing::Target;
use std::fs::OpenOptions;
use std::mem::forget;
use std::thread;

/// Freeze the target and have all its threads ready for `script`; let it go after `then`.
fn frozen(pid: i32, script: &Script, then: impl FnOnce(&mut [Site], &[Vec<Job>])) -> Frozen {
    let frozen = Frozen::tree(pid, &Limit::default()).unwrap();
    let task = &frozen.tasks[0];
    let memory = format!("/proc/{pid}/mem");
    let memory = OpenOptions::new().read(true).write(true).open(memory).unwrap();
    let context = |&tid: &i32| Context::capture(tid, &memory).unwrap();
    let contexts: Vec<Context> = task.tids.iter().map(context).collect();
    let job = |(&tid, context)| {
        let bell = Bell::choose(&Status::of_thread(pid, tid).unwrap(), context);
        Job { pid, tid, seccomp: false, context, script, bell }
    };
    let jobs: Vec<Job> = task.tids.iter().zip(&contexts).map(job).collect();
    let main_sp = contexts[0].regs.0.rsp;
    let site = Site::choose(pid, main_sp, false, &memory, &mut Gadgets::default()).unwrap();
    then(&mut [site], &[jobs]);
    frozen
}

/// Ask for some signal actions: more of them than one chain makes.
fn ask_actions(script: &mut Script) -> Vec<Room> {
    let ask = |signo| {
        let room = script.room(32);
        let args = [Arg::Is(signo), Arg::Is(0), Arg::At(room), Arg::Is(8)];
        script.call("reading its signal actions", libc::SYS_rt_sigaction, args);
        room
    };
    (30..30 + 2 * CHAIN as u64).map(ask).collect()
}

type Death = fn(&mut Lent);

/// Lend us all threads of the target, and leave them as `death` does.
fn die(pid: i32, death: Death) {
    let mut script = Script::default();
    script.call("asking its pid", libc::SYS_getpid, []);
    ask_actions(&mut script);
    forget(frozen(pid, &script, |sites, jobs| {
        let mut lent = Lent::begin(sites, &[&jobs[0]]).unwrap();
        death(&mut lent);
        forget(lent); // its threads count as busy, so that the memory stays as it is too
    }));
}

fn call(lent: &mut Lent) {
    for thread in &lent.threads {
        thread.call(0, &lent.sites[thread.site]).unwrap();
    }
}

fn reach_entry(lent: &mut Lent) {
    call(lent);
    lent.threads.iter_mut().for_each(|thread| thread.wait_syscall_stop().unwrap());
}

fn reach_exit(lent: &mut Lent) {
    reach_entry(lent);
    lent.threads.iter().for_each(|thread| thread.resume(Resume::Syscall).unwrap());
    lent.threads.iter_mut().for_each(|thread| thread.wait_syscall_stop().unwrap());
}

fn put_mask_back(lent: &mut Lent) {
    reach_exit(lent);
    for thread in &lent.threads {
        sys::ptrace_set_sigmask(thread.job.tid, thread.job.context.sigmask).unwrap();
    }
}

/// Begin a chain in all threads that can make one.
fn set_off(lent: &mut Lent) {
    for thread in &lent.threads {
        if let Some(calls) = thread.chains().next() {
            thread.set_off(calls, &lent.sites[thread.site]).unwrap();
        }
    }
}

fn reach_bell(lent: &mut Lent) {
    set_off(lent);
    lent.threads.iter_mut().for_each(|thread| {
        if !thread.chained.is_empty() {
            thread.arrive().unwrap();
        }
    });
}

/// The thread stands before the signal, which is not looked at.
fn let_ring(lent: &mut Lent) {
    set_off(lent);
    thread::sleep(Duration::from_millis(20));
}

#[test]
fn wherever_the_tracer_dies_the_threads_heal() {
    let deaths: [(&str, Death); 11] = [
        ("with a chain begun", set_off),
        ("with the bell rung", let_ring),
        ("at a chain's end", reach_bell),
        ("with the second chain begun", |lent| [reach_bell, set_off].iter().for_each(|f| f(lent))),
        ("in a call after a chain", |lent| [reach_bell, reach_entry].iter().for_each(|f| f(lent))),
        ("before the first call", |_| {}),
        ("with a call begun", call),
        ("at its entry", reach_entry),
        ("at its exit", reach_exit),
        ("after some calls", |lent| (0..3).for_each(|_| reach_exit(lent))),
        ("with the mask put back", put_mask_back),
    ];
    for (name, death) in deaths {
        let target =
            Target::start("vigil", &["vector", "wide", "tile", "rseq", "mask", "sleep", "poll"]);
        let tids = target.tids();
        let blocked = || tids.iter().map(|&tid| target.status(tid, "SigBlk")).collect::<Vec<_>>();
        let before = blocked();
        let pid = target.pid();
        thread::spawn(move || die(pid, death)).join().unwrap();
        thread::sleep(Duration::from_millis(50));
        target.assert_free();
        assert_eq!(blocked(), before, "{name}");
        println!("{name}: {}", target.end());
    }
}

/// The tracer dies, and before its threads get a CPU comes the next one.
#[test]
fn a_thread_that_has_yet_to_heal_is_known_and_left_alone() {
    for death in [|_: &mut Lent| {}, call, reach_entry, reach_exit, reach_bell] {
        let target = Target::start("vigil", &["vector", "mask", "sleep"]);
        let pid = target.pid();
        thread::spawn(move || {
            die(pid, death);
            kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap(); // which keeps them from healing
        });
        while !target.status(pid, "State").starts_with("T (stopped)") {}
        let look = || {
            let frozen = Frozen::tree(pid, &Limit::default()).unwrap();
            process::look(&frozen.tasks, &Limit::default()).map(drop)
        };
        assert_eq!(look().unwrap_err().code, Code::TargetChanged);
        kill(Pid::from_raw(pid), Signal::SIGCONT).unwrap();
        thread::sleep(Duration::from_millis(50));
        look().unwrap();
        target.end();
    }
}

#[test]
fn a_signal_that_comes_while_the_tracer_dies_is_taken() {
    let target = Target::start("vigil", &[]);
    let pid = target.pid();
    thread::spawn(move || {
        ptrace::seize(Pid::from_raw(pid), Options::PTRACE_O_TRACESYSGOOD).unwrap();
        kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
        let waited = stop::wait(pid, PATIENCE, &Limit::default()).unwrap();
        assert_eq!(waited, Waited::Stopped(Stop::Signal(libc::SIGTERM)));
    })
    .join()
    .unwrap();
    assert_eq!(target.ended(), "interrupted 0\n", "by that very signal");
}

#[test]
fn each_thread_gets_the_answer_that_is_its_own() {
    let target = Target::start("vigil", &["sleep", "vector"]);
    let mut script = Script::default();
    let gettid = script.call("asking its tid", libc::SYS_gettid, []);
    let unknown = script.try_call(-1, []);
    let frozen = frozen(target.pid(), &script, |sites, jobs| {
        let results = run(sites, jobs).unwrap();
        for (job, results) in jobs[0].iter().zip(&results[0]) {
            assert_eq!(results.value(gettid), job.tid as u64);
            assert_eq!(results.value(unknown), 0);
        }
    });
    drop(frozen);
    target.assert_free();
    assert_eq!(target.end(), "interrupted 0\n");
}

#[test]
fn a_call_that_fails_is_an_error_and_all_is_put_back() {
    let target = Target::start("vigil", &["sleep", "vector"]);
    let mut script = Script::default();
    script.call("trying what cannot be", libc::SYS_close, [Arg::Is(u64::MAX)]);
    let frozen = frozen(target.pid(), &script, |sites, jobs| {
        let error = run(sites, jobs).err().expect("an error");
        assert!(error.message.contains("trying what cannot be"), "{}", error.message);
    });
    drop(frozen);
    assert_eq!(target.end(), "interrupted 0\n");
}

#[test]
fn chains_bring_what_single_calls_do() {
    let target = Target::start("vigil", &["vector", "wide", "rseq", "mask", "sleep", "poll"]);
    let mut script = Script::default();
    let actions = ask_actions(&mut script);
    let frozen = frozen(target.pid(), &script, |sites, jobs| {
        assert!(jobs[0].iter().any(|job| job.chained().next().is_some()));
        assert!(jobs[0].iter().any(|job| job.bell.is_none()), "who sleeps makes no chain");
        for results in run(sites, jobs).unwrap().remove(0) {
            let has = |&room: &Room| results.word(room) != 0;
            assert!(!actions.iter().any(|room| results.bytes(*room).iter().all(|&b| b == 0xdb)));
            assert!(actions.iter().any(has), "glibc's own handlers are among them");
        }
        let mut alone = jobs[0].iter().map(|job| Job { bell: None, ..*job }).collect::<Vec<_>>();
        let all = run(sites, std::slice::from_ref(&jobs[0])).unwrap().remove(0);
        let one_by_one = run(sites, &[std::mem::take(&mut alone)]).unwrap().remove(0);
        let bytes =
            |results: &[Results]| results.iter().map(|r| r.bytes.clone()).collect::<Vec<_>>();
        assert_eq!(bytes(&all), bytes(&one_by_one));
    });
    drop(frozen);
    target.assert_free();
    assert_eq!(target.end(), "interrupted 0\n");
}

#[test]
fn a_call_that_fails_in_a_chain_is_told() {
    let target = Target::start("vigil", &["mask"]);
    let mut script = Script::default();
    ask_actions(&mut script);
    let room = script.room(32);
    let args = [Arg::Is(99), Arg::Is(0), Arg::At(room), Arg::Is(8)];
    script.call("asking for no signal", libc::SYS_rt_sigaction, args);
    let frozen = frozen(target.pid(), &script, |sites, jobs| {
        let error = run(sites, jobs).err().expect("an error");
        assert!(error.message.contains("asking for no signal"), "{}", error.message);
    });
    drop(frozen);
    assert_eq!(target.end(), "interrupted 0\n");
}

/// The thread has such a signal waiting already, of somebody else's.
#[test]
fn a_bell_that_another_rings_is_no_end() {
    let target = Target::start("vigil", &["mask"]);
    let mut script = Script::default();
    let actions = ask_actions(&mut script);
    let frozen = frozen(target.pid(), &script, |sites, jobs| {
        let mut lent = Lent::begin(sites, &[&jobs[0]]).unwrap();
        let bell = jobs[0][0].bell.expect("a bell").signo;
        kill(Pid::from_raw(target.pid()), Signal::try_from(bell).unwrap()).unwrap();
        lent.run().unwrap();
        assert!(lent.threads.iter().any(|thread| !thread.again.is_empty()), "it was seen");
        for (_, results) in lent.end().unwrap() {
            assert!(!actions.iter().any(|room| results.bytes(*room).iter().all(|&b| b == 0xdb)));
        }
    });
    drop(frozen);
    target.assert_free();
    assert_eq!(target.end(), "interrupted 0\n");
}

/// A script that makes a userfaultfd.
fn fetching(fd: i32) -> Script {
    let mut script = Script::default();
    let args = [sys::UFFD_USER_MODE_ONLY as u64];
    script.fetch("making a userfaultfd", libc::SYS_userfaultfd, args, fd);
    script
}

fn descriptors(pid: i32) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn lowest_free(pid: i32) -> i32 {
    let taken = descriptors(pid);
    (0..).find(|fd: &i32| !taken.contains(&fd.to_string())).unwrap()
}

#[test]
fn a_descriptor_comes_to_us_and_is_not_left() {
    let target = Target::start("vigil", &["mask"]);
    let before = descriptors(target.pid());
    let script = fetching(lowest_free(target.pid()));
    let frozen = frozen(target.pid(), &script, |sites, jobs| {
        for results in run(sites, jobs).unwrap().remove(0) {
            let fetched = results.fetched();
            assert_eq!(fetched.len(), 1);
            sys::uffd_api(fetched[0].as_fd(), 0).unwrap();
        }
    });
    assert_eq!(descriptors(target.pid()), before);
    drop(frozen);
    assert_eq!(target.end(), "interrupted 0\n");
}

/// The tracer dies when the descriptor is made, and has not been closed.
#[test]
fn whoever_has_made_a_descriptor_for_a_dead_tracer_closes_it() {
    for death in [call, reach_entry, reach_exit] {
        let target = Target::start("vigil", &["vector"]);
        let pid = target.pid();
        let before = descriptors(pid);
        let script = fetching(lowest_free(pid));
        thread::spawn(move || {
            forget(frozen(pid, &script, |sites, jobs| {
                let mut lent = Lent::begin(sites, &[&jobs[0][..1]]).unwrap();
                death(&mut lent);
                forget(lent);
            }));
        })
        .join()
        .unwrap();
        thread::sleep(Duration::from_millis(50));
        assert_eq!(descriptors(pid), before);
        target.assert_free();
        target.end();
    }
}

/// The living children of a process, and the dead ones: their names and signals of their end.
fn children(pid: i32) -> (Vec<i32>, Vec<(String, i32)>) {
    let tree = crate::tree::walk(pid).unwrap();
    let (dead, alive): (Vec<_>, Vec<_>) = tree.into_iter().skip(1).partition(|task| task.zombie);
    let told = |pid| {
        let signal = crate::capture::stat::Stat::read(pid).unwrap().number(38).unwrap();
        (crate::proc::comm(pid).unwrap(), signal)
    };
    let dead = dead.iter().map(|task| told(task.pid)).collect();
    (alive.iter().map(|task| task.pid).collect(), dead)
}

/// The thread stands in its clone(2), the child before its first instruction.
fn reach_birth(lent: &mut Lent) {
    reach_entry(lent);
    for thread in &mut lent.threads {
        thread.resume(Resume::Syscall).unwrap();
        let waited = stop::wait(thread.job.tid, PATIENCE, &Limit::default()).unwrap();
        assert_eq!(waited, Waited::Stopped(Stop::Clone));
    }
}

fn name_child(lent: &mut Lent) {
    reach_exit(lent);
    for thread in &lent.threads {
        let cradle = Cradle(thread.steps);
        thread.children[0].wait_born().unwrap();
        thread.children[0].call(&thread.calling(cradle.naming(), cradle.end())).unwrap();
    }
}

fn settle_child(lent: &mut Lent) {
    reach_exit(lent);
    lent.threads.iter().for_each(|thread| thread.adopt().unwrap());
}

/// Wherever it dies, no second copy of the target runs on, and the next dump takes away what is left.
#[test]
fn a_child_ends_with_its_tracer_and_is_known() {
    let deaths: [(&str, Death, i32); 6] = [
        ("with the call begun", call, 0),
        ("at its entry", reach_entry, 0),
        ("at the birth", reach_birth, 0),
        ("at its exit", reach_exit, 0),
        ("with the child named", name_child, 0),
        ("with the child bound to us", settle_child, 9),
    ];
    for (name, death, status) in deaths {
        let target = Target::start("vigil", &["vector", "rseq", "mask", "sleep"]);
        let (pid, before) = (target.pid(), descriptors(target.pid()));
        thread::spawn(move || {
            let mut script = Script::default();
            script.fork("making a child");
            forget(frozen(pid, &script, |sites, jobs| {
                let mut lent = Lent::begin(sites, &[&jobs[0][..1]]).unwrap();
                death(&mut lent);
                forget(lent);
            }));
        })
        .join()
        .unwrap();
        thread::sleep(Duration::from_millis(100));
        target.assert_free();
        assert_eq!(children(pid), (vec![], vec![(CHILD.to_owned(), 0)]), "{name}");
        let child = crate::tree::walk(pid).unwrap()[1].pid;
        let exit_code = crate::capture::stat::Stat::read(child).unwrap().number::<i32>(52);
        assert_eq!(exit_code.unwrap(), status, "{name}");
        reap(pid, &Limit::default()).unwrap();
        assert_eq!(children(pid), (vec![], vec![]), "{name}");
        assert_eq!(descriptors(pid), before);
        target.assert_free();
        println!("{name}: {}", target.end());
    }
}

#[test]
fn a_child_holds_what_was_there_and_no_descriptor() {
    let target = Target::start("vigil", &["mask", "rseq"]);
    let pid = target.pid();
    let mut script = Script::default();
    script.fork("making a child");
    let mut child = None;
    drop(frozen(pid, &script, |sites, jobs| {
        let jobs = [vec![Job { bell: None, ..jobs[0][0] }]];
        let results = run(sites, &jobs).unwrap().remove(0).remove(0);
        child = results.children().pop();
    }));
    let child = child.expect("a child");
    assert_eq!(descriptors(child.pid), Vec::<String>::new());
    assert!(!descriptors(pid).is_empty());
    assert_eq!(target.status(child.pid, "Name"), CHILD);
    assert!(target.status(child.pid, "State").starts_with("t "));
    target.assert_free();
    drop(child);
    assert_eq!(children(pid), (vec![], vec![(CHILD.to_owned(), 0)]));
    reap(pid, &Limit::default()).unwrap();
    assert_eq!(children(pid), (vec![], vec![]));
    assert_eq!(target.end(), "interrupted 0\n");
}
