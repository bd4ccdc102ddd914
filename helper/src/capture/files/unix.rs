//! unix(7) sockets: peers, listeners and what is in flight, from sock_diag and from a duplicate.

use super::descriptor::Descriptor;
use super::diag::{self, UnixDiag};
use super::fact::{File, Inode, Kind};
use super::name::Name;
use super::proc::{stat_of, utf8, Proc};
use super::queue::{self, Packet};
use super::sockopts::{self, int, SockOpts};
use crate::error::{Error, Result};
use crate::sys;
use crate::value::{Bytes, Hex};
use nix::fcntl::readlink;
use nix::libc::{AF_UNIX, SOCK_SEQPACKET, SOCK_STREAM, SOL_SOCKET, SO_TYPE};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, AsRawFd};

const LISTEN: u8 = 10;
const RCV_SHUTDOWN: u8 = 1;

#[derive(Debug, Serialize)]
pub struct Unix {
    #[serde(rename = "type")]
    pub kind: i32,
    pub state: u8,
    /// Inode; 0: none, or closed, or not accepted yet.
    pub peer: Hex,
    /// sun_path as bound: with the NUL that ends a path, or that begins an abstract name.
    pub name: Bytes,
    /// Of the file it is bound to; `path` of the file fact is that file's.
    #[serde(flatten)]
    pub bound: Option<Bound>,
    pub backlog: u32,
    pub shutdown: u8,
    pub peer_in_tree: bool,
    /// Of a peer outside the tree: the name by which it can be found again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_name: Option<Bytes>,
    /// Bytes that wait here; of a listener, connections that wait to be accepted.
    pub rqlen: u32,
    /// Bytes that wait at the peer.
    pub wqlen: u32,
    /// Of a listener: inodes of those connections' other ends, 0 for one that is closed already.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<Hex>,
    pub queue: Vec<Packet>,
    pub opts: SockOpts,
}

#[derive(Debug, Serialize)]
pub struct Bound {
    pub path_dev: u64,
    pub path_ino: Hex,
    pub bound_mode: u32,
    pub bound_uid: u32,
    pub bound_gid: u32,
}

/// The one dump of all unix sockets.
#[derive(Default)]
pub struct UnixSockets {
    all: Option<HashMap<u64, UnixDiag>>,
}

impl UnixSockets {
    /// A socket of another network namespace is not listed: kind `other`.
    pub fn capture(&mut self, d: &Descriptor, proc: &Proc) -> Result<(Kind, Name)> {
        let Some(diag) = self.find(d)? else { return Ok((Kind::Other {}, Name::default())) };
        let kind = d.told("SO_TYPE", int(d.dup, SOL_SOCKET, SO_TYPE))?;
        let (bound, name) = match diag.name.first() {
            None | Some(0) => (None, Name::default()),
            Some(_) => bound_file(d, proc).map(|(bound, name)| (Some(bound), name))?,
        };
        let queue = match (diag.state, kind) {
            (LISTEN, _) => Vec::new(),
            (_, SOCK_STREAM) => queue::stream(d)?,
            _ => queue::datagrams(d, kind == SOCK_SEQPACKET && diag.shutdown & RCV_SHUTDOWN != 0)?,
        };
        let listens = diag.state == LISTEN;
        let unix = Unix {
            kind,
            state: diag.state,
            peer: Hex(diag.peer.unwrap_or(0).into()),
            name: Bytes(diag.name),
            bound,
            backlog: if listens { diag.wqueue } else { 0 },
            shutdown: diag.shutdown,
            peer_in_tree: false,
            peer_name: None,
            rqlen: diag.rqueue,
            wqlen: if listens { 0 } else { diag.wqueue },
            icons: diag.icons.iter().map(|ino| Hex(u64::from(*ino))).collect(),
            queue,
            opts: sockopts::capture(d, AF_UNIX, false)?,
        };
        Ok((Kind::Unix(Box::new(unix)), name))
    }

    /// A dump passes over a socket when others in its way are closed meanwhile: ask again.
    fn find(&mut self, d: &Descriptor) -> Result<Option<UnixDiag>> {
        const TRIES: usize = 3;
        let ino = d.inode.ino.0;
        for _ in 0..TRIES {
            if let Some(diag) = self.all.as_ref().and_then(|all| all.get(&ino)) {
                return Ok(Some(diag.clone()));
            }
            self.all = Some(d.told("sock_diag", diag::unix())?);
        }
        Ok(self.all.as_ref().and_then(|all| all.get(&ino)).cloned())
    }

    /// Once all of the tree's sockets are known: which peers are among them.
    pub fn resolve(&self, files: &mut [File]) {
        let ours: HashSet<u64> = files
            .iter()
            .filter(|file| matches!(file.kind, Kind::Unix(_)))
            .map(|file| file.inode.ino.0)
            .collect();
        for file in files {
            let Kind::Unix(unix) = &mut file.kind else { continue };
            unix.peer_in_tree = ours.contains(&unix.peer.0);
            let peer = self.all.as_ref().and_then(|all| all.get(&unix.peer.0));
            if let (false, Some(peer)) = (unix.peer_in_tree, peer) {
                unix.peer_name = (!peer.name.is_empty()).then(|| Bytes(peer.name.clone()));
            }
        }
    }
}

/// The very file it is bound to, whatever the name leads to by now.
fn bound_file(d: &Descriptor, proc: &Proc) -> Result<(Bound, Name)> {
    let file = d.told("SIOCUNIXFILE", sys::unix_file(d.dup))?;
    let inode = Inode::new(&d.told("statx", stat_of(file.as_fd()))?);
    let link = readlink(format!("/proc/self/fd/{}", file.as_raw_fd()).as_str());
    let link = utf8(d.told("readlink", link)?).map_err(|error: Error| error.with_pid(d.pid))?;
    let name = Name::find(proc, &link, &inode)?;
    let bound = Bound {
        path_dev: inode.dev,
        path_ino: inode.ino,
        bound_mode: inode.mode,
        bound_uid: inode.uid,
        bound_gid: inode.gid,
    };
    Ok((bound, name))
}
