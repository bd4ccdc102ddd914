//! What waits in a socket's receive queue, read by MSG_PEEK so that all of it stays there.
//!
//! A stream is peeked in one go where no descriptors travel in it. To see past the first of several datagrams, SO_PEEK_OFF has to be
//! set; it is put back at once. Should the helper be killed in those microseconds, a target that
//! itself uses MSG_PEEK would go on behind the datagrams that we have seen.

use super::descriptor::Descriptor;
use super::fact::FileId;
use super::sockopts::int;
use crate::error::Result;
use crate::sys::{self, ioctl_int, Ancillary, IntIoctl, Peeked};
use crate::value::Bytes;
use nix::errno::Errno;
use nix::libc::{MSG_CTRUNC, SOL_SOCKET, SO_PEEK_OFF};
use nix::poll::PollFlags;
use serde::Serialize;
use std::os::fd::{BorrowedFd, OwnedFd};

#[derive(Debug, Serialize)]
pub struct Packet {
    pub data: Bytes,
    /// The files whose descriptors came with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rights: Vec<FileId>,
    /// Credentials or other ancillary data came with it.
    pub scm: bool,
    /// The sender's struct sockaddr; absent: it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Bytes>,
    /// Duplicates of those descriptors, until it is known which files they are (flight.rs).
    #[serde(skip)]
    pub received: Vec<OwnedFd>,
}

impl Packet {
    fn new(peeked: Peeked, mut data: Vec<u8>) -> Self {
        data.truncate(peeked.length);
        // A family alone is how an unnamed unix socket is shown.
        let from = (peeked.from.len() > 2).then_some(Bytes(peeked.from));
        let scm = peeked.flags & MSG_CTRUNC != 0;
        Packet { data: Bytes(data), rights: Vec::new(), scm, from, received: Vec::new() }
    }

    /// Put what came with it, which `seen` has, in the place of the mark that something did.
    fn with(mut self, seen: Ancillary) -> Self {
        self.data.0.truncate(seen.length);
        self.scm = seen.others;
        self.received = seen.rights;
        self
    }
}

/// The bytes of a unix stream: one packet, or several where descriptors came with some; none when it
/// is empty. A peek ends behind the message that descriptors came with; where that begins it does not
/// tell, so that plain data before it is in the same packet (net/unix/af_unix.c).
pub fn stream(d: &Descriptor) -> Result<Vec<Packet>> {
    let expected = d.told("SIOCINQ", ioctl_int(d.dup, IntIoctl::Fionread))? as usize;
    let mut packets = Vec::new();
    if expected == 0 {
        return Ok(packets);
    }
    let offset = PeekOffset::hold(d, HEAD)?;
    let mut at = 0;
    while at < expected {
        let mut data = vec![0; expected - at];
        let from = if at == 0 { HEAD } else { at as i32 };
        let peeked = offset.peek(from, &mut data)?;
        let whole = peeked.flags & MSG_CTRUNC == 0;
        if peeked.length == 0 || (whole && peeked.length < expected - at) {
            let why = "part of its queue (urgent data?) cannot be read without consuming it";
            return Err(d.unsupported(why, "dump when the program has read it"));
        }
        let packet = offset.complete(from, Packet::new(peeked, data))?;
        at += packet.data.0.len();
        packets.push(packet);
    }
    Ok(packets)
}

/// The datagrams or records, in order. An error that waits to be reported (SO_ERROR) would be
/// taken from the target by looking at the queue. `ends`: nothing more can arrive, so that
/// a SOCK_SEQPACKET reads as empty at the end of its queue.
pub fn datagrams(d: &Descriptor, ends: bool) -> Result<Vec<Packet>> {
    let events = d.poll()?;
    if !events.contains(PollFlags::POLLIN) {
        return Ok(Vec::new());
    }
    if events.contains(PollFlags::POLLERR) {
        let why = "an error and data wait at it, and reading the data would take the error";
        return Err(d.unsupported(why, "dump when the program has read them"));
    }
    let offset = PeekOffset::hold(d, HEAD)?;
    let mut packets = Vec::new();
    // An empty datagram is shown once only to who walks by SO_PEEK_OFF, and is passed over ever
    // after; the first in the queue can be seen without.
    match head(d, ends)? {
        None => return Ok(packets),
        Some(first) if first.length == 0 => {
            packets.push(offset.complete(HEAD, Packet::new(first, Vec::new()))?);
        }
        Some(_) => {}
    }
    let mut at = 0;
    while let Some(packet) = packet(&offset, at, ends)? {
        at += packet.data.0.len() as i32;
        packets.push(packet);
    }
    Ok(packets)
}

/// The datagram whose first byte is the `at`-th of the queue; `None` at its end. The offset is set
/// each time: what a peek adds to it differs between unix and UDP sockets.
fn packet(offset: &PeekOffset, at: i32, ends: bool) -> Result<Option<Packet>> {
    let d = offset.d;
    offset.set(at)?;
    let Some(head) = head(d, ends)? else { return Ok(None) };
    if head.length == 0 {
        return Ok(Some(offset.complete(at, Packet::new(head, Vec::new()))?));
    }
    let mut data = vec![0; head.length];
    let peeked = offset.peek(at, &mut data)?;
    Ok(Some(offset.complete(at, Packet::new(peeked, data))?))
}

/// What the next peek finds, without its data; `None` at the end of the queue.
fn head(d: &Descriptor, ends: bool) -> Result<Option<Peeked>> {
    match sys::peek(d.dup, &mut []) {
        Err(Errno::EAGAIN) => Ok(None),
        head => Ok(Some(d.told("MSG_PEEK", head)?).filter(|head| head.length > 0 || !ends)),
    }
}

/// SO_PEEK_OFF is off: a peek begins at the head of the queue.
const HEAD: i32 = -1;

/// Holds SO_PEEK_OFF at a value of ours, and puts back the target's when dropped.
struct PeekOffset<'a> {
    d: &'a Descriptor<'a>,
    was: i32,
}

impl<'a> PeekOffset<'a> {
    fn hold(d: &'a Descriptor<'a>, value: i32) -> Result<Self> {
        let was = peek_offset(d.dup);
        let held = PeekOffset { d, was };
        if was != value {
            held.set(value)?;
        }
        Ok(held)
    }

    fn set(&self, value: i32) -> Result<()> {
        self.d.told("SO_PEEK_OFF", sys::setsockopt(self.d.dup, SOL_SOCKET, SO_PEEK_OFF, value))
    }

    /// What is to be read from the `at`-th byte of the queue on, or from its HEAD before all else.
    fn peek(&self, at: i32, buffer: &mut [u8]) -> Result<Peeked> {
        if at != HEAD {
            self.set(at)?;
        }
        self.d.told("MSG_PEEK", sys::peek(self.d.dup, buffer))
    }

    /// The packet that begins at `at`, with the descriptors that came with it, if anything did.
    fn complete(&self, at: i32, packet: Packet) -> Result<Packet> {
        if !packet.scm {
            return Ok(packet);
        }
        if at != HEAD {
            self.set(at)?;
        }
        let mut bytes = vec![0; packet.data.0.len()];
        let seen = self.d.told("MSG_PEEK", sys::peek_ancillary(self.d.dup, &mut bytes))?;
        Ok(packet.with(seen))
    }
}

impl Drop for PeekOffset<'_> {
    fn drop(&mut self) {
        if peek_offset(self.d.dup) != self.was {
            let _ = sys::setsockopt(self.d.dup, SOL_SOCKET, SO_PEEK_OFF, self.was);
        }
    }
}

/// -1: off, or unknown to this kind of socket.
pub fn peek_offset(fd: BorrowedFd) -> i32 {
    int(fd, SOL_SOCKET, SO_PEEK_OFF).unwrap_or(-1)
}
