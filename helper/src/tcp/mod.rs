//! TCP connections of a frozen tree: what is in their two queues, and where they stand.
//!
//! Most of that only a socket in repair mode tells (TCP_REPAIR, net/ipv4/tcp.c), which the socket is
//! in, not our duplicate of it. So it is another process that switches it on and, some microseconds
//! later, off again (repairer.rs): whichever of the two is killed, the other one sees to it.
//!
//! Nothing holds back what the peers send. Each socket is read so that what is told of it was true at
//! one moment; of connections whose two ends are both in the tree, what is told of one end fits the
//! other. A tree that is to be killed has its connections locked first (lock.rs).

mod lock;
mod netlink;
mod pairs;
mod read;
pub mod repairer;
mod rules;
mod stream;
#[cfg(test)]
mod tests;

use crate::capture::files::fact::{File, Kind};
use crate::error::{Code, Error, Result};
use crate::limit::Limit;
use crate::wire::{Action, TcpRequest};
use lock::Lock;
use pairs::Pairs;
use repairer::Repairer;
use std::os::fd::{AsFd, OwnedFd};
pub use stream::Stream;

/// How often two ends that do not fit each other are read again: what is on its way between them
/// arrives in microseconds, and nothing new is sent.
const TRIES: u32 = 1000;

/// A connection that is to be told of.
pub struct Connection {
    pub dup: OwnedFd,
    pub ino: u64,
    pub ends: Ends,
    pub pid: i32,
    /// What errors call it by.
    pub object: String,
}

/// Address and port, its own and the peer's. IPv4 by IPv6 is IPv4.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    pub own: (Vec<u8>, u16),
    pub peer: (Vec<u8>, u16),
}

impl Ends {
    pub fn new(own: (&[u8], u16), peer: (&[u8], u16)) -> Self {
        let end = |(address, port)| (plain(address).to_vec(), port);
        Ends { own: end(own), peer: end(peer) }
    }

    pub fn turned(&self) -> Self {
        Ends { own: self.peer.clone(), peer: self.own.clone() }
    }
}

/// The address behind ::ffff:0:0/96, RFC 4291.
fn plain(address: &[u8]) -> &[u8] {
    const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
    address.strip_prefix(&MAPPED).unwrap_or(address)
}

/// What is got ready before the freeze.
pub struct Tcp {
    repairer: Repairer,
    request: TcpRequest,
}

/// Connections of a tree that is to be killed.
#[derive(Default)]
pub struct Kept {
    connections: Vec<Connection>,
    /// Of those with a peer outside of the tree: index, and how much waited in the receive queue.
    waiting: Vec<(usize, usize)>,
    lock: Option<Lock>,
}

impl Tcp {
    pub fn prepare(request: &TcpRequest) -> Result<Self> {
        let repairer = Repairer::start().map_err(|error| {
            Error::new(Code::Kernel, format!("starting a process that reads TCP sockets: {error}"))
        })?;
        Ok(Tcp { repairer, request: request.clone() })
    }

    /// Tell of all `connections` in the facts of their files.
    ///
    /// Errors: `Kernel`, `Permission` where one cannot be read, or the network not be locked;
    /// `UnsupportedObject` for urgent data.
    pub fn capture(
        &mut self,
        connections: Vec<Connection>,
        files: &mut [File],
        after: Action,
        limit: &Limit,
    ) -> Result<Kept> {
        let pairs = Pairs::find(&connections);
        let lock = match (&self.request.lock, after) {
            (Some(table), Action::Kill) => Lock::of(table, &connections)?,
            _ => None,
        };
        let mut streams = Vec::with_capacity(connections.len());
        for connection in &connections {
            limit.check()?;
            streams.push(self.read(connection)?);
        }
        for &(a, b) in &pairs.0 {
            self.settle(&connections, &mut streams, (a, b), limit)?;
        }
        let inodes: Vec<u64> = connections.iter().map(|connection| connection.ino).collect();
        let kept = match after {
            Action::Kill => Kept::new(connections, &streams, &pairs, lock),
            Action::Run | Action::Stop => Kept::default(),
        };
        for file in files {
            let Kind::Inet(inet) = &mut file.kind else { continue };
            let at = inodes.iter().position(|&ino| ino == file.inode.ino.0);
            inet.stream = at.map(|at| std::mem::take(&mut streams[at]));
        }
        Ok(kept)
    }

    /// Have two ends of one connection fit each other.
    fn settle(
        &mut self,
        connections: &[Connection],
        streams: &mut [Stream],
        (a, b): (usize, usize),
        limit: &Limit,
    ) -> Result<()> {
        for _ in 0..TRIES {
            if streams[a].fits(&streams[b]) && streams[b].fits(&streams[a]) {
                return Ok(());
            }
            limit.check()?;
            streams[a] = self.read(&connections[a])?;
            streams[b] = self.read(&connections[b])?;
        }
        let Connection { pid, object, .. } = &connections[a];
        let message = format!("pid {pid}: {object}: its connection within the tree keeps moving");
        Err(Error::new(Code::TargetChanged, message).with_pid(*pid).with_object(object))
    }

    fn read(&mut self, connection: &Connection) -> Result<Stream> {
        read::stream(connection, self.repairer.read(connection)?)
    }
}

impl Kept {
    fn new(
        connections: Vec<Connection>,
        streams: &[Stream],
        pairs: &Pairs,
        lock: Option<Lock>,
    ) -> Self {
        let outside = streams.iter().enumerate().filter(|&(at, _)| !pairs.has(at));
        let waiting = outside.map(|(at, stream)| (at, stream.inq.0.len())).collect();
        Kept { connections, waiting, lock }
    }

    /// The tree is about to be killed: nothing may have come in that was acknowledged and is not in
    /// the images, as it can where the network is not locked. Errors: `TargetChanged`.
    pub fn check(&self) -> Result<()> {
        for &(at, length) in &self.waiting {
            let connection = &self.connections[at];
            let now = read::waiting(connection)?;
            if now != length {
                return Err(connection.moved(now.saturating_sub(length)));
            }
        }
        Ok(())
    }

    pub fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// The tree is dead, and we are the last to hold its connections: have them end without a word to
    /// their peers, and their packets dropped until a restore. Errors: `Kernel`.
    pub fn retire(self) -> Result<()> {
        if let Some(lock) = self.lock {
            lock.persist()?;
        }
        for connection in self.connections {
            read::abandon(connection.dup.as_fd());
        }
        Ok(())
    }
}
