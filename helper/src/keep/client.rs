//! How a keeper is spoken to, and started.

use super::words::{receive, send, Answer, Ask, State};
use super::{place, Key, ARGUMENT};
use crate::error::{Code, Error, Result};
use crate::tree;
use nix::errno::Errno;
use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// How often, and after how long, a keeper is tried again. One that was killed may still listen; one
/// that has nothing to keep ends as soon as another, who only looks, has come and gone.
const TRIES: u32 = 5;
const RESPITE: Duration = Duration::from_millis(20);

/// A connection to the keeper of a tree.
pub struct Session {
    root: Key,
    socket: OwnedFd,
}

/// What a keeper has: its userfaultfds come along only where they are taken.
pub struct Kept {
    pub state: State,
    pub spaces: Vec<(Key, Option<OwnedFd>)>,
}

impl Session {
    /// None: there is no keeper. Errors: `Kernel`, `Permission`.
    pub fn open(root: Key) -> Result<Option<Self>> {
        Ok(place::connected(root)?.map(|socket| Session { root, socket }))
    }

    /// Take what the keeper has, a new one if there is none.
    ///
    /// Errors: those of `take`; `Permission`.
    pub fn start(root: Key, keep: bool) -> Result<(Self, Kept)> {
        let pid = root.pid;
        let ends = || Error::new(Code::Kernel, format!("pid {pid}: its keeper ends at once"));
        let mut taken = Err(ends().with_pid(pid));
        for _ in 0..TRIES {
            place::listening(root, |socket| spawn(root, socket))?;
            if let Some(session) = Session::open(root)? {
                taken = session.take(keep).map(|kept| (session, kept));
            }
            match &taken {
                Err(error) if error.code == Code::Kernel => thread::sleep(RESPITE),
                _ => break,
            }
        }
        taken
    }

    /// Have what it has, for nobody else until this session ends. Unless `keep`, it has no epoch
    /// from now on. Errors: `TooBusy` if somebody else does, `Kernel`.
    pub fn take(&self, keep: bool) -> Result<Kept> {
        self.ask(&Ask::Take { keep }, None)?;
        self.kept()
    }

    pub fn status(&self) -> Result<Kept> {
        self.ask(&Ask::Status, None)?;
        self.kept()
    }

    /// Have it keep these spaces and no others, and this epoch; a userfaultfd for each that is new
    /// to it. Errors: `Kernel`.
    pub fn commit<'a>(
        &self,
        spaces: impl Iterator<Item = (Key, Option<BorrowedFd<'a>>)>,
        epoch: Option<String>,
    ) -> Result<()> {
        for (Key { pid, start }, uffd) in spaces {
            self.ask(&Ask::Space { pid, start }, uffd)?;
        }
        self.ask(&Ask::Commit { epoch }, None)?;
        match self.answer()? {
            Some((Answer::Committed, _)) => Ok(()),
            _ => Err(self.failed(Errno::EPROTO)),
        }
    }

    /// Have it let go of everything and end; returns when it has. Errors: `TooBusy`, `Kernel`.
    pub fn stop(self) -> Result<()> {
        self.ask(&Ask::Stop, None)?;
        match self.answer()? {
            None => Ok(()),
            Some((Answer::Busy, _)) => Err(self.busy()),
            Some(_) => Err(self.failed(Errno::EPROTO)),
        }
    }

    fn kept(&self) -> Result<Kept> {
        let state = match self.answer()? {
            Some((Answer::State(state), _)) => state,
            Some((Answer::Busy, _)) => return Err(self.busy()),
            _ => return Err(self.failed(Errno::EPROTO)),
        };
        let space = |_| match self.answer()? {
            Some((Answer::Space { pid, start }, fd)) => Ok((Key { pid, start }, fd)),
            _ => Err(self.failed(Errno::EPROTO)),
        };
        let spaces = (0..state.spaces).map(space).collect::<Result<_>>()?;
        Ok(Kept { state, spaces })
    }

    fn ask(&self, ask: &Ask, fd: Option<BorrowedFd>) -> Result<()> {
        send(self.socket.as_fd(), ask, fd).map_err(|errno| self.failed(errno))
    }

    fn answer(&self) -> Result<Option<(Answer, Option<OwnedFd>)>> {
        match receive(self.socket.as_fd()) {
            Err(Errno::ECONNRESET) => Ok(None),
            answer => answer.map_err(|errno| self.failed(errno)),
        }
    }

    fn failed(&self, errno: Errno) -> Error {
        let pid = self.root.pid;
        let message = format!("pid {pid}: speaking with what tracks it: {}", errno.desc());
        let mut error = Error::new(Code::Kernel, message).with_pid(pid);
        error.errno = Some(errno as i32);
        error.with_remedy(format!("end it: ckpt track stop -t {pid}"))
    }

    fn busy(&self) -> Error {
        let pid = self.root.pid;
        let message = format!("pid {pid}: another dump or ckpt track is at work on it");
        Error::new(Code::TooBusy, message).with_pid(pid).with_remedy("wait until that is done")
    }
}

/// The helper anew, as a keeper that listens at this socket.
fn spawn(root: Key, socket: OwnedFd) -> Result<()> {
    let spawned = Command::new("/proc/self/exe")
        .arg0("ckpt-keeper")
        .args([ARGUMENT, &root.pid.to_string(), &root.start.to_string()])
        .env_clear()
        .current_dir("/")
        .stdin(socket)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    spawned.map(drop).map_err(|e| {
        let message = format!("pid {}: starting its keeper: {e}", root.pid);
        Error::new(Code::Kernel, message).with_pid(root.pid)
    })
}

/// The keepers of all trees that overlap with that below `root`: those of its processes and of its
/// ancestors. Errors: `Kernel`, `Permission`.
pub fn overlapping(root: i32) -> Result<Vec<Session>> {
    let mut pids = tree::ancestors(root)?;
    pids.extend(tree::walk(root)?.iter().map(|seen| seen.pid));
    let keys = pids.into_iter().filter_map(|pid| Key::of(pid).ok());
    let open = |key| match Session::open(key) {
        // None of ours: whose it is, they alone may speak to it.
        Err(error) if error.code == Code::Permission => None,
        session => session.transpose(),
    };
    keys.filter_map(open).collect()
}

/// Processes whose memory is registered by one of these. Errors: `Kernel`.
pub fn marked(keepers: &[Session]) -> Result<HashSet<i32>> {
    let mut marked = HashSet::new();
    for keeper in keepers {
        marked.extend(keeper.status()?.spaces.iter().map(|(key, _)| key.pid));
    }
    Ok(marked)
}
