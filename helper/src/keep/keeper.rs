//! The process that keeps: it waits for the root's end and for who connects, and does nothing else.

use super::words::{receive, send, Answer, Ask, State};
use super::{place, Key};
use crate::capture::vma;
use crate::memory::tracker::Tracker;
use crate::sys;
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::prctl::set_name;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{geteuid, setsid};
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::linux::fs::MetadataExt;
use std::time::Instant;

/// How long who had us started may take to connect, in milliseconds.
const PATIENCE: u16 = 10_000;

/// Connections at a time; each is one ckpt.
const CONNECTIONS: usize = 8;

/// Be the keeper of the tree with this root; our stdin is the socket that listens. Returns when the
/// root has ended, we were told to end, or nothing is kept and nobody connected.
///
/// Errors: the kernel's; then nothing is kept.
pub fn run(root: Key) -> nix::Result<()> {
    let path = place::path(root);
    let inode = || fs::symlink_metadata(&path).map(|made| (made.st_dev(), made.st_ino())).ok();
    let own = inode();
    let result = Keeper::new(root).and_then(Keeper::work);
    if inode() == own {
        let _ = fs::remove_file(&path);
    }
    // Only now does whoever told us to end hear that we have.
    result.map(drop)
}

struct Keeper {
    listener: OwnedFd,
    root: OwnedFd,
    /// What ends us.
    signals: SignalFd,
    connections: Vec<Connection>,
    /// The connection that has taken what we have.
    taker: Option<u64>,
    count: u64,
    epoch: Option<String>,
    since: Instant,
    spaces: BTreeMap<Key, OwnedFd>,
}

struct Connection {
    number: u64,
    socket: OwnedFd,
    /// What is to be kept from the next commit on.
    next: BTreeMap<Key, Option<OwnedFd>>,
}

impl Keeper {
    fn new(root: Key) -> nix::Result<Self> {
        let listener = sys::inherited(0)?;
        sys::close_from(3)?;
        let _ = set_name(c"ckpt-keeper");
        let _ = setsid(); // fails if we lead a group already
        let ends = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
        let mut blocked = ends;
        blocked.extend([Signal::SIGHUP, Signal::SIGPIPE]);
        blocked.thread_block()?;
        let pidfd = sys::pidfd_open(root.pid)?;
        if Key::of(root.pid).ok() != Some(root) {
            return Err(Errno::ESRCH);
        }
        Ok(Keeper {
            listener,
            root: pidfd,
            signals: SignalFd::new(&ends)?,
            connections: Vec::new(),
            taker: None,
            count: 0,
            epoch: None,
            since: Instant::now(),
            spaces: BTreeMap::new(),
        })
    }

    /// Until the end; gives back the connections, which close then.
    fn work(mut self) -> nix::Result<Vec<Connection>> {
        loop {
            let (over, knocks, ready) = self.wait()?;
            if over {
                return Ok(self.connections);
            }
            for number in ready {
                match self.hear(number) {
                    Ok(true) => {}
                    Ok(false) => return Ok(self.connections),
                    Err(_) => self.hang_up(number),
                }
            }
            if knocks {
                self.admit();
            }
            if self.count > 0 && self.is_idle() {
                return Ok(self.connections);
            }
        }
    }

    /// There is nothing to keep, and nobody who may bring something.
    fn is_idle(&self) -> bool {
        self.spaces.is_empty() && self.connections.is_empty()
    }

    /// Whether it is over, somebody connects, and which connections have something to say.
    fn wait(&self) -> nix::Result<(bool, bool, Vec<u64>)> {
        let fixed = [self.root.as_fd(), self.signals.as_fd(), self.listener.as_fd()];
        let sockets = self.connections.iter().map(|connection| connection.socket.as_fd());
        let all = fixed.into_iter().chain(sockets);
        let mut polled: Vec<PollFd> = all.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        let patience = if self.is_idle() { PATIENCE.into() } else { PollTimeout::NONE };
        match poll(&mut polled, patience) {
            Ok(0) => return Ok((true, false, Vec::new())),
            Err(Errno::EINTR) => return Ok((false, false, Vec::new())),
            result => result?,
        };
        let ready = |polled: &PollFd| polled.any().unwrap_or(true);
        let said = self.connections.iter().zip(&polled[3..]).filter(|(_, polled)| ready(polled));
        let said = said.map(|(connection, _)| connection.number).collect();
        Ok((ready(&polled[0]) || ready(&polled[1]), ready(&polled[2]), said))
    }

    /// Root and our own user; the socket's mode says so too.
    fn admit(&mut self) {
        let Ok(socket) = sys::accept(self.listener.as_fd()) else { return };
        let trusted = getsockopt(&socket, PeerCredentials)
            .is_ok_and(|peer| peer.uid() == 0 || peer.uid() == geteuid().as_raw());
        let room = self.connections.len() < CONNECTIONS;
        if trusted && room && place::be_patient(&socket).is_ok() {
            let next = BTreeMap::new();
            self.connections.push(Connection { number: self.count, socket, next });
            self.count += 1;
        }
    }

    fn hang_up(&mut self, number: u64) {
        self.connections.retain(|connection| connection.number != number);
        self.taker = self.taker.filter(|taker| *taker != number);
    }

    /// Hear one packet and answer it. False: it was the order to end. Errors: the connection is over.
    fn hear(&mut self, number: u64) -> nix::Result<bool> {
        let found = |connection: &Connection| connection.number == number;
        let at = self.connections.iter().position(found).ok_or(Errno::ENOTCONN)?;
        let socket = self.connections[at].socket.as_fd();
        let (ask, fd) = receive(socket)?.ok_or(Errno::ENOTCONN)?;
        let busy = self.taker.is_some_and(|taker| taker != number);
        match ask {
            Ask::Status => self.tell(at, false)?,
            Ask::Take { .. } | Ask::Stop if busy => send(socket, &Answer::Busy, None)?,
            Ask::Take { keep } => {
                self.taker = Some(number);
                self.tell(at, true)?;
                self.epoch = self.epoch.take().filter(|_| keep);
            }
            Ask::Space { pid, start } => {
                let key = Key { pid, start };
                if fd.as_ref().map_or(!self.spaces.contains_key(&key), |fd| !is_userfaultfd(fd)) {
                    return Err(Errno::EBADMSG);
                }
                self.connections[at].next.insert(key, fd);
            }
            Ask::Commit { .. } if self.taker != Some(number) => return Err(Errno::EBADMSG),
            Ask::Commit { epoch } => {
                let next = std::mem::take(&mut self.connections[at].next);
                self.keep(next, epoch);
                send(self.connections[at].socket.as_fd(), &Answer::Committed, None)?;
            }
            Ask::Stop => {
                self.let_go();
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Tell what there is, with the userfaultfds or without.
    fn tell(&self, at: usize, with: bool) -> nix::Result<()> {
        let socket = self.connections[at].socket.as_fd();
        let state = State {
            pid: std::process::id() as i32,
            epoch: self.epoch.clone(),
            since_s: self.since.elapsed().as_secs(),
            spaces: self.spaces.len(),
        };
        send(socket, &Answer::State(state), None)?;
        self.spaces.iter().try_for_each(|(&Key { pid, start }, fd)| {
            send(socket, &Answer::Space { pid, start }, with.then(|| fd.as_fd()))
        })
    }

    fn keep(&mut self, next: BTreeMap<Key, Option<OwnedFd>>, epoch: Option<String>) {
        let mut before = std::mem::take(&mut self.spaces);
        let kept = |(key, fd): (Key, Option<OwnedFd>)| Some((key, fd.or(before.remove(&key))?));
        self.spaces = next.into_iter().filter_map(kept).collect();
        self.epoch = epoch;
        self.since = Instant::now();
    }

    fn let_go(&mut self) {
        for (key, uffd) in std::mem::take(&mut self.spaces) {
            Tracker::again(uffd).release(&vma::glance(key.pid).unwrap_or_default());
        }
    }
}

fn is_userfaultfd(fd: &OwnedFd) -> bool {
    let link = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    link.is_ok_and(|link| link.as_os_str() == "anon_inode:[userfaultfd]")
}
