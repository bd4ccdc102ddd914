//! The tracer dies at each step of a system call. A tracee belongs to one thread of its tracer, so
//! a thread of ours that just ends is to the kernel a tracer that was killed.

use super::*;
use crate::capture::process;
use crate::capture::regs::Context;
use crate::freeze::Frozen;
use crate::remote::{run, Gadgets, Script};
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
    let job = |(&tid, context)| Job { pid, tid, seccomp: false, context, script };
    let jobs: Vec<Job> = task.tids.iter().zip(&contexts).map(job).collect();
    let main_sp = contexts[0].regs.0.rsp;
    let site = Site::choose(pid, main_sp, false, &memory, &mut Gadgets::default()).unwrap();
    then(&mut [site], &[jobs]);
    frozen
}

type Death = fn(&mut Lent);

/// Lend us all threads of the target, and leave them as `death` does.
fn die(pid: i32, death: Death) {
    let mut script = Script::default();
    script.call("asking its pid", libc::SYS_getpid, []);
    forget(frozen(pid, &script, |sites, jobs| {
        let mut lent = Lent::begin(sites, &[&jobs[0]]).unwrap();
        death(&mut lent);
        forget(lent); // its threads count as busy, so that the memory stays as it is too
    }));
}

fn call(lent: &mut Lent) {
    lent.threads.iter().for_each(|thread| thread.call(0).unwrap());
}

fn reach_entry(lent: &mut Lent) {
    call(lent);
    lent.threads.iter_mut().for_each(|thread| thread.wait_syscall_stop().unwrap());
}

fn reach_exit(lent: &mut Lent) {
    reach_entry(lent);
    lent.threads.iter().for_each(|thread| thread.resume().unwrap());
    lent.threads.iter_mut().for_each(|thread| thread.wait_syscall_stop().unwrap());
}

fn put_mask_back(lent: &mut Lent) {
    reach_exit(lent);
    for thread in &lent.threads {
        sys::ptrace_set_sigmask(thread.job.tid, thread.job.context.sigmask).unwrap();
    }
}

#[test]
fn wherever_the_tracer_dies_the_threads_heal() {
    let deaths: [(&str, Death); 6] = [
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
    for death in [|_: &mut Lent| {}, call, reach_entry, reach_exit] {
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
    script.call("trying what cannot be", libc::SYS_close, [super::super::Arg::Is(u64::MAX)]);
    let frozen = frozen(target.pid(), &script, |sites, jobs| {
        let error = run(sites, jobs).err().expect("an error");
        assert!(error.message.contains("trying what cannot be"), "{}", error.message);
    });
    drop(frozen);
    assert_eq!(target.end(), "interrupted 0\n");
}
