//! What is said at a keeper's socket: packets (SOCK_SEQPACKET) of one JSON object each, and with one
//! of them at most a descriptor.

use crate::sys;
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{sendmsg, ControlMessage, MsgFlags};
use serde::{Deserialize, Serialize};
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The longest packet, in bytes.
const PACKET: usize = 4096;

/// How long the other end may take, in milliseconds.
const PATIENCE: u16 = 5000;

#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Ask {
    /// Have all userfaultfds, and be the only one until the connection ends. Unless `keep`, there
    /// is no epoch any more.
    Take {
        keep: bool,
    },
    /// A space that is to be kept: with its userfaultfd, unless the keeper has that.
    Space {
        pid: i32,
        start: u64,
    },
    /// Keep these and no others.
    Commit {
        epoch: Option<String>,
    },
    Status,
    /// Let go of everything, and end.
    Stop,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "t", rename_all = "lowercase")]
pub enum Answer {
    /// As many spaces follow.
    State(State),
    Space {
        pid: i32,
        start: u64,
    },
    Committed,
    /// Somebody else has taken it.
    Busy,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct State {
    /// The keeper's own.
    pub pid: i32,
    pub epoch: Option<String>,
    /// Seconds since all was protected.
    pub since_s: u64,
    pub spaces: usize,
}

/// Send a packet; waits for a slow reader as long as its socket does. Errors: the kernel's.
pub fn send<T: Serialize>(socket: BorrowedFd, word: &T, fd: Option<BorrowedFd>) -> nix::Result<()> {
    let bytes = serde_json::to_vec(word).map_err(|_| Errno::EINVAL)?;
    let fds: Vec<i32> = fd.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&fds)];
    let control = if fds.is_empty() { &[][..] } else { &rights };
    let parts = [IoSlice::new(&bytes)];
    sendmsg::<()>(socket.as_raw_fd(), &parts, control, MsgFlags::MSG_NOSIGNAL, None).map(drop)
}

/// The next packet; None at the end. Errors: `ETIMEDOUT`, `EBADMSG` if it is not understood, the
/// kernel's.
pub fn receive<T: for<'a> Deserialize<'a>>(
    socket: BorrowedFd,
) -> nix::Result<Option<(T, Option<OwnedFd>)>> {
    wait(socket)?;
    let mut buffer = [0; PACKET + 1];
    match sys::receive(socket.as_fd(), &mut buffer)? {
        (0, _) => Ok(None),
        (length, _) if length > PACKET => Err(Errno::EBADMSG),
        (length, fd) => match serde_json::from_slice(&buffer[..length]) {
            Ok(word) => Ok(Some((word, fd))),
            Err(_) => Err(Errno::EBADMSG),
        },
    }
}

fn wait(socket: BorrowedFd) -> nix::Result<()> {
    let mut polled = [PollFd::new(socket, PollFlags::POLLIN)];
    loop {
        match poll(&mut polled, PollTimeout::from(PATIENCE)) {
            Ok(0) => return Err(Errno::ETIMEDOUT),
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}
