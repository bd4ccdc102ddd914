//! A server from what the orchestrator asks for: tables and plans, then the threads.

use super::guard::Guard;
use super::kernel;
use super::queue::Queue;
use super::remote::Remote;
use super::server::Server;
use super::session::Sessions;
use super::source::Sources;
use super::table::Table;
use crate::error::{Code, Error, Result};
use crate::limit::Limit;
use crate::proc;
use crate::serve::background::Background;
use crate::serve::poll::Poll;
use crate::sys;
use crate::wire::{Request, ServeRequest, SourceRequest, Wire};
use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Threads that serve faults; where an answer is far away, so many may be under way.
const THREADS: usize = 16;

/// Where the orchestrator answers for remote pages.
const DATA: i32 = 3;

/// Receive the tables, up to `listen`.
pub fn prepare(request: &ServeRequest, wire: &Wire, limit: &Limit) -> Result<Server> {
    let patience = Duration::from_millis(request.timeout_ms);
    let remote = Remote::new(wire.sender(), data_pipe(request)?, patience);
    let sources = Sources::open(&request.sources, remote)?;
    let mut tables: HashMap<i32, Table> = HashMap::new();
    let mut plans: HashMap<i32, Vec<(u64, u64)>> = HashMap::new();
    loop {
        match wire.receive(limit)? {
            Request::Table(part) => {
                tables.entry(part.pid).or_default().extend(&part.runs, sources.len())?;
            }
            Request::Plan(part) => {
                let pairs = part.runs.chunks_exact(2).map(|pair| (pair[0], pair[1]));
                plans.entry(part.pid).or_default().extend(pairs);
            }
            Request::Listen => break,
            _ => return Err(Error::new(Code::Protocol, "expected table, plan or listen")),
        }
    }
    Ok(Server {
        tables: tables.into_iter().map(|(pid, table)| (pid, Arc::new(table))).collect(),
        plans,
        sources,
        sessions: Sessions::new(wire.sender()),
        poll: Poll::new().map_err(|errno| kernel("epoll", errno))?,
        guard: Guard::start().map_err(|error| kernel("a guard", proc::errno(&error)))?,
        background: Background::default(),
        missed: AtomicU64::new(0),
        record: request.record,
        queue: Arc::new(Queue::new().map_err(|errno| kernel("eventfd", errno))?),
        prefetch: request.prefetch,
        tell: wire.sender(),
        stopping: AtomicBool::new(false),
        over: AtomicBool::new(false),
    })
}

fn data_pipe(request: &ServeRequest) -> Result<Option<File>> {
    if !request.sources.iter().any(|source| matches!(source, SourceRequest::Remote)) {
        return Ok(None);
    }
    let pipe = sys::inherited(DATA).map_err(|errno| kernel("the data pipe", errno))?;
    Ok(Some(File::from(pipe)))
}

/// The threads that serve faults, and those that bring the rest.
pub fn start(server: &Arc<Server>) -> Result<Vec<JoinHandle<()>>> {
    let added = server.poll.add(server.poll.reserve(), server.queue.clone());
    added.map_err(|errno| kernel("epoll", errno))?;
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    let behind = if server.sources.has_remote() { THREADS / 2 } else { cpus.min(4) };
    let thread = |nth| {
        let server = server.clone();
        thread::spawn(move || match nth {
            0..THREADS => server.poll.work(&server),
            _ => server.work_in_background(),
        })
    };
    Ok((0..THREADS + behind).map(thread).collect())
}
