//! Serves the pages of an image set to restores that take them late, by userfaultfd.
//!
//! listener, peer: who connects · session, task: what is restored · table, remaining: which pages ·
//! source, remote: their bytes · poll, queue, fault: who waits for one · background: the others ·
//! fill: how they get there · guard: what becomes of them if the server is killed

mod background;
mod counts;
mod fault;
mod fill;
pub mod guard;
mod listener;
mod peer;
mod poll;
mod queue;
mod remaining;
mod remote;
mod server;
mod session;
mod setup;
mod source;
mod table;
mod task;
mod tell;
mod touched;

use crate::error::{Code, Error, Result};
use crate::limit::Limit;
use crate::sys;
use crate::wire::{Request, Rest, ServeRequest, Wire};
use listener::Listener;
use nix::errno::Errno;
use server::Server;
use session::Tally;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the orchestrator is listened to, and how often it is looked which processes have ended.
const TICK: Duration = Duration::from_millis(20);
const PROBE: Duration = Duration::from_millis(500);

/// UFFDIO_POISON (Linux 6.6): without it there is nothing right to do for a page that is lost.
const UFFD_FEATURE_POISON: u64 = 1 << 14;

/// Answer a `serve` request. Errors: `Kernel`, `PageSource`, `WorkDir`, `Protocol`.
pub fn serve(request: &ServeRequest, wire: &Wire, limit: &Limit) -> Result<()> {
    let (_, features) =
        sys::uffd_open(sys::UFFD, 0).map_err(|errno| kernel("userfaultfd", errno))?;
    if features & UFFD_FEATURE_POISON == 0 {
        return Err(Error::new(Code::Kernel, "serving pages needs Linux 6.6 or later"));
    }
    let server = Arc::new(setup::prepare(request, wire, limit)?);
    let listener = Arc::new(Listener::bind(&request.folder, &request.socket)?);
    let token = server.poll.reserve();
    let watched = server.poll.add(token, listener.clone());
    watched.map_err(|errno| kernel("epoll", errno))?;
    let threads = setup::start(&server)?;
    server.tell(&tell::Listening {});
    attend(&server, wire, request.keep, || server.poll.remove(token));
    drop(listener);
    server.over.store(true, Ordering::Relaxed);
    server.poll.end();
    server.background.wake();
    for thread in threads {
        let _ = thread.join();
    }
    server.tell(&tell::Done {});
    Ok(())
}

/// Until all is served, or all that may be. `close` ends the listening.
fn attend(server: &Arc<Server>, wire: &Wire, keep: bool, close: impl Fn()) {
    let (mut probed, mut tally) = (Instant::now(), Tally::default());
    loop {
        if let Some(rest) = told_to_stop(wire) {
            close();
            server.stopping.store(true, Ordering::Relaxed);
            server.background.wake();
            if rest == Rest::Poison {
                return server.give_up_all();
            }
        }
        if probed.elapsed() > PROBE {
            let tasks = server.background.tasks();
            tasks.iter().for_each(|task| server.probe(task));
            let (brought, total) = server.progress(&tasks);
            wire.progress("serve", brought, total);
            probed = Instant::now();
        }
        tally = server.sessions.wait(&tally, TICK);
        let enough = server.stopping.load(Ordering::Relaxed) || (tally.ended > 0 && !keep);
        if tally.active == 0 && enough {
            return;
        }
    }
}

/// Where the orchestrator is gone, what was promised to restores still holds.
fn told_to_stop(wire: &Wire) -> Option<Rest> {
    match wire.receive_within(Duration::ZERO) {
        Some(Ok(Request::Stop { rest })) => Some(rest),
        Some(_) => Some(Rest::Copy),
        None => wire.aborted().load(Ordering::Relaxed).then_some(Rest::Copy),
    }
}

fn kernel(what: &str, errno: Errno) -> Error {
    let mut error = Error::new(Code::Kernel, format!("{what}: {}", errno.desc()));
    error.errno = Some(errno as i32);
    error
}
