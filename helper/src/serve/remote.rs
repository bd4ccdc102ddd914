//! Pages that only the orchestrator can get: asked for by a frame, answered on a pipe of their own.
//! docs/protocol.md, "The data pipe".

use super::source::Failure;
use super::tell::Need;
use crate::memory::PAGE;
use crate::wire::Sender;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// In the length of an answer: it is no data, but the reason why there is none.
const ERROR: u64 = 1 << 63;
/// Beside it: asking again may help.
const PASSES: u64 = 1 << 62;

/// The longest reason that is listened to, in bytes.
const REASON: u64 = 4096;

type Answer = std::result::Result<Vec<u8>, Failure>;

/// By number of the question: how many bytes the answer has to have, and who waits for it.
type Asked = HashMap<u64, (u64, SyncSender<Answer>)>;

/// None: there will be no more answers.
type Waiting = Mutex<Option<Asked>>;

pub struct Remote {
    waiting: Arc<Waiting>,
    next: AtomicU64,
    ask: Sender,
    patience: Duration,
}

impl Remote {
    /// `data` is the pipe of the answers, if there is one.
    pub fn new(ask: Sender, data: Option<File>, patience: Duration) -> Self {
        let waiting = Arc::new(Mutex::new(data.is_some().then(HashMap::new)));
        if let Some(data) = data {
            let waiting = waiting.clone();
            thread::spawn(move || {
                let _ = read_answers(data, &waiting);
                *lock(&waiting) = None;
            });
        }
        Remote { waiting, next: AtomicU64::new(1), ask, patience }
    }

    /// Nobody waits for an answer any more.
    pub fn end(&self) {
        *lock(&self.waiting) = None;
    }

    /// Fill `bytes` with the pages of `pid` from `page` on, as it was when it was dumped.
    pub fn read(&self, pid: i32, page: u64, bytes: &mut [u8]) -> std::result::Result<(), Failure> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = mpsc::sync_channel(1);
        let Some(()) = lock(&self.waiting).as_mut().map(|waiting| {
            waiting.insert(id, (bytes.len() as u64, answer));
        }) else {
            return Err(gone());
        };
        let count = bytes.len() as u64 / PAGE;
        self.ask.send(&Need { id, pid, page, count }).map_err(|_| gone())?;
        match answered.recv_timeout(self.patience) {
            Ok(answer) => answer.map(|data| bytes.copy_from_slice(&data)),
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
            Err(RecvTimeoutError::Timeout) => {
                if let Some(waiting) = lock(&self.waiting).as_mut() {
                    waiting.remove(&id);
                }
                let seconds = self.patience.as_secs_f32();
                let reason = format!("no answer from the source of pages within {seconds} s");
                Err(Failure { reason, passes: false })
            }
        }
    }
}

fn lock(waiting: &Waiting) -> MutexGuard<'_, Option<Asked>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gone() -> Failure {
    Failure { reason: "whoever had the pages is gone".into(), passes: false }
}

/// Until the pipe ends.
fn read_answers(mut data: File, waiting: &Waiting) -> io::Result<()> {
    loop {
        let (id, length) = (word(&mut data)?, word(&mut data)?);
        let found = lock(waiting).as_mut().and_then(|waiting| waiting.remove(&id));
        let size = length & !(ERROR | PASSES);
        let answer = if length & ERROR != 0 {
            let mut reason = Vec::new();
            data.by_ref().take(size.min(REASON)).read_to_end(&mut reason)?;
            skip(&mut data, size.saturating_sub(REASON))?;
            let reason = String::from_utf8_lossy(&reason).into_owned();
            Err(Failure { reason, passes: length & PASSES != 0 })
        } else if found.as_ref().is_some_and(|(wanted, _)| *wanted == size) {
            let mut bytes = vec![0; size as usize];
            data.read_exact(&mut bytes)?;
            Ok(bytes)
        } else {
            skip(&mut data, size)?;
            let reason = format!("an answer of {size} bytes, which is not what was asked for");
            Err(Failure { reason, passes: false })
        };
        if let Some((_, waiter)) = found {
            let _ = waiter.try_send(answer); // who has given up does not hear it
        }
    }
}

fn word(data: &mut File) -> io::Result<u64> {
    let mut bytes = [0; 8];
    data.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn skip(data: &mut File, length: u64) -> io::Result<()> {
    io::copy(&mut data.take(length), &mut io::sink()).map(drop)
}
