//! The camera of ckpt: a request in, frames out. docs/protocol.md says what they are.
#![deny(unsafe_code)]

#[cfg(not(target_arch = "x86_64"))]
compile_error!("ckpt-helper knows the registers of x86-64 only");

mod awake;
mod capture;
mod check;
mod dump;
mod error;
mod freeze;
mod keep;
mod limit;
mod memory;
mod proc;
mod punch;
mod remote;
mod serve;
mod share;
mod stop;
mod sys;
mod task;
mod tcp;
#[cfg(test)]
#[path = "../tests/support/target.rs"]
mod testing;
mod tree;
mod urgent;
mod value;
mod wire;

use capture::xsave::{self, Layout};
use error::{Code, Error, Result};
use limit::Limit;
use nix::sys::resource::{getrlimit, setrlimit, Resource};
use nix::sys::signal::{SigSet, Signal};
use serde::Serialize;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::thread;
use wire::{Request, Wire};

fn main() -> ExitCode {
    if let Some(root) = keeper_of(&std::env::args().collect::<Vec<_>>()) {
        return ExitCode::from(u8::from(keep::run(root).is_err()));
    }
    // Blocked before any thread starts: SIGXFSZ so that a file that grows too large is an error and
    // not our death, the others to mean "abort".
    let abort = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]);
    let mut blocked = abort;
    blocked.add(Signal::SIGXFSZ);
    if let Err(errno) = blocked.thread_block() {
        eprintln!("ckpt-helper: blocking signals: {errno}");
        return ExitCode::FAILURE;
    }
    raise_descriptor_limit();
    match std::env::args().nth(1).as_deref() {
        Some(serve::guard::WORD) => return ExitCode::from(u8::from(serve::guard::run().is_err())),
        Some(tcp::repairer::WORD) => {
            return ExitCode::from(u8::from(tcp::repairer::run().is_err()))
        }
        _ => {}
    }
    let wire = Wire::open();
    let aborted = wire.aborted().clone();
    thread::spawn(move || {
        let _ = abort.wait();
        aborted.store(true, Ordering::Relaxed);
    });
    let result = serve(&wire);
    if let Some(error) = result.as_ref().err().and_then(|error| wire.reason(error)) {
        let _ = wire.send(&error, &Limit::default());
    }
    wire.close();
    ExitCode::from(u8::from(result.is_err()))
}

/// The root of the tree whose keeper we are to be. keep/mod.rs
fn keeper_of(arguments: &[String]) -> Option<keep::Key> {
    match arguments {
        [_, what, pid, start] if what == keep::ARGUMENT => {
            Some(keep::Key { pid: pid.parse().ok()?, start: start.parse().ok()? })
        }
        _ => None,
    }
}

/// Each process of a tree takes a few descriptors of ours, each segment one. Where the limit stays as it is, a tree
/// too large for it is an error of its own.
fn raise_descriptor_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

#[derive(Serialize)]
#[serde(tag = "t", rename = "hello")]
struct Hello {
    version: u32,
    helper: &'static str,
    xsave: &'static Layout,
}

impl Hello {
    fn new() -> Self {
        let helper = env!("CARGO_PKG_VERSION");
        Hello { version: wire::VERSION, helper, xsave: xsave::layout() }
    }
}

fn serve(wire: &Wire) -> Result<()> {
    let patient = Limit::new(0, wire.aborted().clone());
    match wire.receive(&patient)? {
        Request::Hello { version: wire::VERSION } => {}
        Request::Hello { version } => {
            let ours = wire::VERSION;
            let what = format!("the orchestrator speaks version {version}, the helper {ours}");
            return Err(Error::new(Code::Protocol, what));
        }
        _ => return Err(Error::new(Code::Protocol, "the first request has to be hello")),
    }
    wire.send(&Hello::new(), &patient)?;
    match wire.receive(&patient)? {
        Request::Dump(request) => {
            let limit = Limit::new(request.timeout_ms, wire.aborted().clone());
            dump::dump(&request, &limit, wire)
        }
        Request::Predump(request) => {
            let limit = Limit::new(request.timeout_ms, wire.aborted().clone());
            dump::predump(&request, &limit, wire)
        }
        Request::Track(request) => {
            let limit = Limit::new(request.timeout_ms, wire.aborted().clone());
            dump::track(&request, &limit, wire)
        }
        Request::Serve(request) => serve::serve(&request, wire, &patient),
        Request::Punch(request) => punch::punch(request, wire, &patient),
        Request::Check => wire.send(&check::check()?, &patient),
        _ => {
            Err(Error::new(Code::Protocol, "expected check, dump, predump, punch, serve or track"))
        }
    }
}
