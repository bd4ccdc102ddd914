//! What cannot be dumped is refused by name, and goes on unharmed.

mod support;

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::helper::{dump, refused, Folder, Helper};
use support::target::Target;

fn says(error: &Value, code: &str, text: &str) {
    assert_eq!(error["code"], code, "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(text), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn nobody() {
    says(&refused(0x7fff_fff0), "E_NO_SUCH_PROCESS", "2147483632");
}

#[test]
fn a_zombie() {
    let mut child = Command::new("true").spawn().unwrap();
    let stat = format!("/proc/{}/stat", child.id());
    while !std::fs::read_to_string(&stat).unwrap().contains(") Z") {}
    says(&refused(child.id() as i32), "E_ZOMBIE", "zombie");
    child.wait().unwrap();
}

#[test]
fn a_thread_of_the_kernel() {
    let is_kthread = std::fs::read_to_string("/proc/2/comm").is_ok_and(|c| c == "kthreadd\n");
    if !is_kthread {
        println!("SKIP: no threads of the kernel are seen from this pid namespace");
        return;
    }
    says(&refused(2), "E_KERNEL_THREAD", "kernel");
}

#[test]
fn an_ancestor_of_the_helper() {
    says(&refused(std::process::id() as i32), "E_OWN_ANCESTOR", "ckpt");
    let mut helper = Helper::start();
    let folder = Folder::new();
    helper.request(&dump(helper.pid(), &folder));
    says(&helper.frame().unwrap(), "E_OWN_ANCESTOR", "ckpt");
}

#[test]
fn one_thread_of_a_process() {
    let target = Target::start("vigil", &["sleep"]);
    let other = target.tids()[1];
    says(&refused(other), "E_NO_SUCH_PROCESS", &format!("process {}", target.pid()));
    target.end();
}

#[test]
fn whom_another_traces() {
    let target = Target::start("vigil", &[]);
    ptrace::seize(Pid::from_raw(target.pid()), Options::empty()).unwrap();
    let us = std::fs::read_link("/proc/thread-self").unwrap();
    let us = us.file_name().unwrap().to_str().unwrap().to_owned();
    says(&refused(target.pid()), "E_PERMISSION", &format!("traced by pid {us}"));
}

#[test]
fn a_process_whose_main_thread_has_ended() {
    let code = "import os,threading,time,ctypes\n\
                threading.Thread(target=lambda: time.sleep(100)).start()\n\
                print('ready', flush=True)\n\
                ctypes.CDLL(None).syscall(60, 0)\n";
    if Command::new("python3").arg("-V").stdout(Stdio::null()).status().is_err() {
        println!("SKIP: no python3");
        return;
    }
    let target = Target::spawn(Command::new("python3").args(["-c", code]));
    while !target.status(target.pid(), "State").starts_with('Z') {}
    says(&refused(target.pid()), "E_UNSUPPORTED_OBJECT", "main thread");
}

/// No memory that is sure to be nobody's: the kernel's stack is full, and ours is a coroutine's.
#[test]
fn a_process_without_a_place_for_a_frame() {
    let target = Target::start("vigil", &["both"]);
    says(&refused(target.pid()), "E_UNSUPPORTED_OBJECT", "stack");
    assert_eq!(target.end(), "interrupted 0\n");
}

#[test]
fn a_folder_that_is_not_there() {
    let target = Target::start("vigil", &["sleep"]);
    let mut request = dump(target.pid(), &Folder::new());
    request["images_dir"] = "/nonexistent/images".into();
    let mut helper = Helper::start();
    helper.request(&request);
    says(&helper.frame().unwrap(), "E_IMAGES_DIR", "/nonexistent/images");
    assert_eq!(helper.wait(), Some(1));
    assert_eq!(target.end(), "interrupted 0\n");
}

#[test]
fn a_dump_that_outlasts_its_timeout() {
    let target = Target::start("vigil", &["sleep", "vector"]);
    let folder = Folder::new();
    let mut request = dump(target.pid(), &folder);
    request["after"] = "kill".into();
    request["timeout_ms"] = 300.into();
    let mut helper = Helper::start();
    let start = Instant::now();
    helper.request(&request);
    assert_eq!(helper.frames().last().unwrap()["t"], "captured");
    says(&helper.frame().unwrap(), "E_TIMEOUT", "timeout");
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(helper.wait(), Some(1));
    target.assert_free();
    assert_eq!(target.end(), "interrupted 0\n");
}

#[test]
fn a_target_that_dies_under_way() {
    let target = Target::start("vigil", &["sleep", "vector"]);
    let folder = Folder::new();
    let mut request = dump(target.pid(), &folder);
    request["after"] = "stop".into();
    let mut helper = Helper::start();
    helper.request(&request);
    assert_eq!(helper.frames().last().unwrap()["t"], "captured");
    target.signal(Signal::SIGKILL);
    helper.request(&serde_json::json!({"op": "finish", "action": "stop"}));
    helper.frame();
    assert!(helper.wait().is_some(), "it ends by itself");
}

/// A thread in a vfork, whose child we stop, does not stop itself: the tree is let go and tried
/// again, and in the end refused.
#[test]
fn a_vfork_that_does_not_end() {
    let target = Target::start("vfork", &[]);
    let start = Instant::now();
    let error = refused(target.pid());
    says(&error, "E_KERNEL", "does not stop");
    assert!(start.elapsed() < Duration::from_secs(15));
    target.assert_free();
}
