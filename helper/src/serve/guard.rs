//! A second process that holds each userfaultfd too. Where the server is killed, the kernel would let
//! go of them, and what was missing would read as zeros: now the guard answers, and whoever touches a
//! missing page gets a SIGBUS. It ends with the server, or with the last process that misses pages.

use crate::memory::PAGE;
use crate::sys::{self, Fill, UffdEvent};
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{self, AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType};
use nix::unistd::setsid;
use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, Stdio};

/// The argument that makes this program a guard, with its end of the socket as stdin.
pub const WORD: &str = "guard";

/// How often it is looked which processes have ended, in milliseconds.
const PROBE: u16 = 500;

/// Messages read at a time.
const BATCH: usize = 16;

/// Of an address space, from the lowest page that may be mapped to the end.
const ALL: (u64, u64) = (16 * PAGE, (1 << 47) - 17 * PAGE);

/// The server's end. Each message is the number of a userfaultfd: with it, or, to be let go, without.
pub struct Guard {
    socket: OwnedFd,
    process: Child,
}

impl Guard {
    pub fn start() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (socket, theirs) =
            socket::socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        let process = Command::new("/proc/self/exe")
            .arg(WORD)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Guard { socket, process })
    }

    pub fn hold(&self, token: u64, uffd: BorrowedFd) {
        self.tell(token, &[ControlMessage::ScmRights(&[uffd.as_raw_fd()])]);
    }

    pub fn let_go(&self, token: u64) {
        self.tell(token, &[]);
    }

    /// Where the guard was killed itself, there is none.
    fn tell(&self, token: u64, with: &[ControlMessage]) {
        let (bytes, flags) = (token.to_ne_bytes(), MsgFlags::MSG_NOSIGNAL);
        let parts = [IoSlice::new(&bytes)];
        let _ = socket::sendmsg::<()>(self.socket.as_raw_fd(), &parts, with, flags, None);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = socket::shutdown(self.socket.as_raw_fd(), socket::Shutdown::Both);
        let _ = self.process.wait();
    }
}

/// What the guard does; no signal that ends the server's group is to end it too.
pub fn run() -> nix::Result<()> {
    let _ = setsid();
    let stdin = io::stdin();
    let mut held = HashMap::new();
    while follow(stdin.as_fd(), &mut held)? {}
    let mut held: Vec<OwnedFd> = held.into_values().collect();
    for uffd in &held {
        // What the server has read already is not told again, unless who waits looks again.
        let _ = sys::uffd_wake(uffd.as_fd(), ALL.0, ALL.1);
    }
    while !held.is_empty() {
        let mut watched: Vec<_> =
            held.iter().map(|uffd| PollFd::new(uffd.as_fd(), PollFlags::POLLIN)).collect();
        let _ = poll(&mut watched, PollTimeout::from(PROBE));
        held = held.into_iter().flat_map(refuse).collect();
    }
    Ok(())
}

/// Do as the server says; false once it is gone.
fn follow(socket: BorrowedFd, held: &mut HashMap<u64, OwnedFd>) -> nix::Result<bool> {
    let mut token = [0; 8];
    poll(&mut [PollFd::new(socket, PollFlags::POLLIN)], PollTimeout::NONE)?;
    match sys::receive(socket, &mut token) {
        Ok((0, _)) | Err(Errno::ECONNRESET) => return Ok(false),
        Ok((_, Some(uffd))) => drop(held.insert(u64::from_ne_bytes(token), uffd)),
        Ok((_, None)) => drop(held.remove(&u64::from_ne_bytes(token))),
        Err(Errno::EAGAIN | Errno::EINTR) => {}
        Err(errno) => return Err(errno),
    }
    Ok(true)
}

/// Poison each page that a thread waits for. What is to be held on: the userfaultfd unless its process
/// has ended, and those of its new children.
fn refuse(uffd: OwnedFd) -> Vec<OwnedFd> {
    let mut kept = Vec::new();
    while let Ok(events) = sys::uffd_read(uffd.as_fd(), BATCH) {
        for event in events {
            match event {
                UffdEvent::Fork(child) => kept.push(child),
                UffdEvent::Fault(address) => {
                    let page = address - address % PAGE;
                    if sys::uffd_fill(uffd.as_fd(), page, PAGE, Fill::Poison).1.is_some() {
                        let _ = sys::uffd_wake(uffd.as_fd(), page, PAGE);
                    }
                }
                UffdEvent::Remap { .. } | UffdEvent::Gone { .. } => {}
            }
        }
    }
    if !sys::uffd_is_dead(uffd.as_fd()) {
        kept.push(uffd);
    }
    kept
}
