//! The conversation with the orchestrator: requests on stdin, frames on stdout, each a u32
//! little-endian length and that many bytes of JSON. docs/protocol.md, "Framing".
//!
//! A thread reads and a thread writes, so that neither a slow reader at the other end nor a
//! request under way ever holds up the pass over a frozen tree.

use crate::error::{Code, Error, Result};
use crate::limit::Limit;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError};
use std::sync::{mpsc, Arc};
use std::thread;
use std::time::Duration;

pub const VERSION: u32 = 1;

/// The longest frame that either side accepts, in bytes of JSON.
const FRAME_LIMIT: usize = 16 << 20;

/// Frames written ahead of a slow reader: room for all that a small process has, which then waits
/// for nobody. Bounds our memory.
const QUEUE: usize = 16;

/// How often a wait looks whether the dump was aborted.
const TICK: Duration = Duration::from_millis(20);

#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Request {
    Hello { version: u32 },
    Check,
    Dump(DumpRequest),
    Predump(PredumpRequest),
    Track(TrackRequest),
    Finish { action: Action },
    Punch(PunchRequest),
    Serve(ServeRequest),
    Table(RunsRequest),
    Plan(RunsRequest),
    Listen,
    Stop { rest: Rest },
}

#[derive(Debug, Deserialize)]
pub struct DumpRequest {
    /// Pid of the root task.
    pub tree: i32,
    /// Absolute path of an existing folder.
    pub images_dir: std::path::PathBuf,
    pub after: Action,
    pub copy: PageCopy,
    /// `{}` is a number counting from 1.
    pub pages_name: String,
    /// Bytes; contents of larger deleted files are not copied.
    pub ghost_limit: u64,
    /// 0: none.
    pub timeout_ms: u64,
    /// Copy pages in rounds while the tree runs, to keep the pause short.
    pub live: Option<LiveRequest>,
    /// What was written since the last set, and from this one on.
    pub track: Option<TrackingRequest>,
    /// Copy pages after the thaw, as they were at the freeze: with `Run` and `All` only.
    #[serde(default)]
    pub snapshot: bool,
    /// Capture TCP connections.
    pub tcp: Option<TcpRequest>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct TrackingRequest {
    /// The id of this set: from now on, what is written is found out.
    pub epoch: Option<String>,
    /// The id of the set before: what was not written since is told, not copied.
    pub since: Option<String>,
}

/// Pages of a tree that runs on.
#[derive(Debug, Deserialize)]
pub struct PredumpRequest {
    pub tree: i32,
    pub images_dir: std::path::PathBuf,
    pub pages_name: String,
    pub timeout_ms: u64,
    pub track: TrackingRequest,
}

#[derive(Debug, Deserialize)]
pub struct TrackRequest {
    pub tree: i32,
    pub action: TrackAction,
    pub timeout_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrackAction {
    Start,
    Stop,
    Status,
}

#[derive(Clone, Debug, Deserialize)]
pub struct TcpRequest {
    /// The name of the nf_tables table that is to lock those of a tree that will be killed.
    pub lock: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub struct LiveRequest {
    pub max_pause_us: u64,
    pub max_rounds: u32,
    pub on_slow: OnSlow,
}

/// What to do where the pause would be longer than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnSlow {
    Dump,
    Fail,
    Throttle,
}

/// Free space within one file.
#[derive(Debug, Deserialize)]
pub struct PunchRequest {
    pub path: std::path::PathBuf,
    /// Flat pairs: offset and length in bytes.
    pub ranges: Vec<u64>,
}

#[derive(Debug, Deserialize)]
pub struct ServeRequest {
    /// Where the socket is to be: an existing folder.
    pub folder: std::path::PathBuf,
    pub socket: String,
    pub sources: Vec<SourceRequest>,
    /// Go on after the first restore.
    pub keep: bool,
    pub prefetch: Prefetch,
    /// Tell which pages were touched.
    pub record: bool,
    /// For one answer of a remote source.
    pub timeout_ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum SourceRequest {
    File { path: std::path::PathBuf },
    Process { pid: i32 },
    Remote,
}

/// What is brought before anybody waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prefetch {
    None,
    Sequential,
}

/// Part of a process's runs of pages, flat.
#[derive(Debug, Deserialize)]
pub struct RunsRequest {
    pub pid: i32,
    pub runs: Vec<u64>,
}

/// What becomes of pages that are still missing when a server has to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rest {
    Copy,
    Poison,
}

/// What becomes of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Run,
    Stop,
    Kill,
}

/// Which page data to copy: all of it, only what is not lazy, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PageCopy {
    All,
    Unlazy,
    None,
}

#[derive(Serialize)]
#[serde(tag = "t", rename = "progress")]
pub struct Progress {
    pub phase: &'static str,
    pub done: u64,
    pub total: u64,
}

/// Sends frames from any thread.
#[derive(Clone)]
pub struct Sender(SyncSender<Vec<u8>>);

impl Sender {
    /// Waits for a slow reader. Errors: `Internal` over the frame limit, `Aborted` if nobody listens.
    pub fn send<T: Serialize>(&self, frame: &T) -> Result<()> {
        self.0.send(encode(frame)?).map_err(|_| gone())
    }
}

/// Our end of the conversation.
pub struct Wire {
    requests: Receiver<Result<Request>>,
    frames: SyncSender<Vec<u8>>,
    /// Closes when the last frame is written.
    written: Receiver<()>,
    aborted: Arc<AtomicBool>,
}

impl Wire {
    /// Start both threads. Signals that are blocked now stay blocked in them.
    pub fn open() -> Self {
        let aborted = Arc::new(AtomicBool::new(false));
        let (to_main, requests) = mpsc::sync_channel(QUEUE);
        let (frames, to_write) = mpsc::sync_channel::<Vec<u8>>(QUEUE);
        let (done, written) = mpsc::sync_channel(0);
        let at_end = aborted.clone();
        thread::spawn(move || read_requests(io::stdin().lock(), &to_main, &at_end));
        let at_error = aborted.clone();
        thread::spawn(move || {
            let _done: SyncSender<()> = done;
            let mut stdout = io::stdout().lock();
            for frame in to_write {
                if stdout.write_all(&frame).and_then(|()| stdout.flush()).is_err() {
                    at_error.store(true, Ordering::Relaxed);
                    return;
                }
            }
        });
        Wire { requests, frames, written, aborted }
    }

    /// Set when nobody listens any more: end of file on stdin, a broken stdout.
    pub fn aborted(&self) -> &Arc<AtomicBool> {
        &self.aborted
    }

    /// The next request. Errors: `Protocol` for a torn or unknown one, those of `limit`.
    pub fn receive(&self, limit: &Limit) -> Result<Request> {
        loop {
            match self.requests.recv_timeout(TICK) {
                Ok(request) => return request,
                Err(RecvTimeoutError::Timeout) => limit.check()?,
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
            }
        }
    }

    /// The next request, if there is one within `patience`.
    pub fn receive_within(&self, patience: Duration) -> Option<Result<Request>> {
        match self.requests.recv_timeout(patience) {
            Ok(request) => Some(request),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(gone())),
        }
    }

    /// For other threads; `close` waits until all of these are dropped.
    pub fn sender(&self) -> Sender {
        Sender(self.frames.clone())
    }

    /// Send a frame, waiting for a slow reader. Errors: `Internal` over the frame limit, those of
    /// `limit`.
    pub fn send<T: Serialize>(&self, frame: &T, limit: &Limit) -> Result<()> {
        let mut bytes = encode(frame)?;
        loop {
            match self.frames.try_send(bytes) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(back)) => bytes = back,
                Err(TrySendError::Disconnected(_)) => return Err(gone()),
            }
            limit.check()?;
            thread::sleep(Duration::from_micros(200));
        }
    }

    /// What to tell of an error: of an abort, what led to it, and nothing if nobody listens.
    pub fn reason(&self, error: &Error) -> Option<Error> {
        match self.requests.try_recv() {
            _ if error.code != Code::Aborted => Some(error.clone()),
            Ok(Err(protocol)) => Some(protocol),
            Err(TryRecvError::Disconnected) => None,
            Ok(Ok(_)) | Err(TryRecvError::Empty) => Some(error.clone()),
        }
    }

    /// Tell how far it is, unless that would mean to wait. Allowed while the tree is frozen.
    pub fn progress(&self, phase: &'static str, done: u64, total: u64) {
        if let Ok(bytes) = encode(&Progress { phase, done, total }) {
            let _ = self.frames.try_send(bytes);
        }
    }

    /// Wait until the last frame is out, however slow the reader; a second if nobody listens.
    pub fn close(self) {
        drop(self.frames);
        while !self.aborted.load(Ordering::Relaxed)
            && self.written.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout)
        {}
        let _ = self.written.recv_timeout(Duration::from_secs(1));
    }
}

fn gone() -> Error {
    Error::new(Code::Aborted, "the orchestrator has gone")
}

/// Length and JSON of one frame.
fn encode<T: Serialize>(frame: &T) -> Result<Vec<u8>> {
    let internal = |why: String| Error::new(Code::Internal, why);
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, frame).map_err(|e| internal(e.to_string()))?;
    let length = bytes.len() - 4;
    if length > FRAME_LIMIT {
        return Err(internal(format!("a frame of {length} bytes exceeds the limit")));
    }
    bytes[..4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(bytes)
}

/// Until end of file: then, and after a request that cannot be read, `aborted` is set.
fn read_requests(mut from: impl Read, to: &SyncSender<Result<Request>>, aborted: &AtomicBool) {
    loop {
        let request = read_request(&mut from).transpose();
        let last = !matches!(request, Some(Ok(_)));
        if request.is_some_and(|request| to.send(request).is_err()) || last {
            break;
        }
    }
    aborted.store(true, Ordering::Relaxed);
}

/// One request, or None at the end of file between two.
fn read_request(from: &mut impl Read) -> Result<Option<Request>> {
    let protocol = |why: String| Error::new(Code::Protocol, why);
    let mut header = Vec::with_capacity(4);
    from.by_ref().take(4).read_to_end(&mut header).map_err(|e| protocol(e.to_string()))?;
    if header.is_empty() {
        return Ok(None);
    }
    let header = header.try_into().map_err(|_| protocol("a torn frame".into()))?;
    let length = u32::from_le_bytes(header) as usize;
    if length > FRAME_LIMIT {
        return Err(protocol(format!("a frame of {length} bytes exceeds the limit")));
    }
    let mut body = Vec::new();
    from.take(length as u64).read_to_end(&mut body).map_err(|e| protocol(e.to_string()))?;
    if body.len() < length {
        return Err(protocol("a torn frame".into()));
    }
    let request = serde_json::from_slice(&body);
    request.map(Some).map_err(|e| protocol(format!("a request that is not understood: {e}")))
}
