//! What waits in a socket's receive queue, read by MSG_PEEK so that all of it stays there.
//!
//! A stream is peeked in one go. To see past the first of several datagrams, SO_PEEK_OFF has to be
//! set; it is put back at once. Should the helper be killed in those microseconds, a target that
//! itself uses MSG_PEEK would go on behind the datagrams that we have seen.

use super::descriptor::Descriptor;
use super::sockopts::int;
use crate::error::Result;
use crate::sys::{self, ioctl_int, IntIoctl, Peeked};
use crate::value::Bytes;
use nix::errno::Errno;
use nix::libc::{MSG_CTRUNC, SOL_SOCKET, SO_PEEK_OFF};
use nix::poll::PollFlags;
use serde::Serialize;
use std::os::fd::BorrowedFd;

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Packet {
    pub data: Bytes,
    /// Descriptors, credentials or other ancillary data came with it.
    pub scm: bool,
    /// The sender's struct sockaddr; absent: it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Bytes>,
}

impl Packet {
    fn new(peeked: Peeked, mut data: Vec<u8>) -> Self {
        data.truncate(peeked.length);
        // A family alone is how an unnamed unix socket is shown.
        let from = (peeked.from.len() > 2).then_some(Bytes(peeked.from));
        Packet { data: Bytes(data), scm: peeked.flags & MSG_CTRUNC != 0, from }
    }
}

/// The bytes of a unix stream: one packet; none when it is empty. Where ancillary data cuts it,
/// the packet ends there with `scm` set.
pub fn stream(d: &Descriptor) -> Result<Vec<Packet>> {
    let expected = d.told("SIOCINQ", ioctl_int(d.dup, IntIoctl::Fionread))? as usize;
    if expected == 0 {
        return Ok(Vec::new());
    }
    let _offset = PeekOffset::hold(d, -1)?;
    let mut data = vec![0; expected];
    let peeked = d.told("MSG_PEEK", sys::peek(d.dup, &mut data))?;
    if peeked.length < expected && peeked.flags & MSG_CTRUNC == 0 {
        let why = "part of its queue (urgent data?) cannot be read without consuming it";
        return Err(d.unsupported(why, "dump when the program has read it"));
    }
    Ok(vec![Packet::new(peeked, data)])
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
    let offset = PeekOffset::hold(d, -1)?;
    let mut packets = Vec::new();
    // An empty datagram is shown once only to who walks by SO_PEEK_OFF, and is passed over ever
    // after; the first in the queue can be seen without.
    match head(d, ends)? {
        None => return Ok(packets),
        Some(first) if first.length == 0 => packets.push(Packet::new(first, Vec::new())),
        Some(_) => {}
    }
    let mut at = 0;
    while let Some(packet) = packet(&offset, at, ends)? {
        at += packet.data.0.len();
        packets.push(packet);
    }
    Ok(packets)
}

/// The datagram whose first byte is the `at`-th of the queue; `None` at its end. The offset is set
/// each time: what a peek adds to it differs between unix and UDP sockets.
fn packet(offset: &PeekOffset, at: usize, ends: bool) -> Result<Option<Packet>> {
    let d = offset.d;
    offset.set(at as i32)?;
    let Some(head) = head(d, ends)? else { return Ok(None) };
    if head.length == 0 {
        return Ok(Some(Packet::new(head, Vec::new())));
    }
    let mut data = vec![0; head.length];
    offset.set(at as i32)?;
    let peeked = d.told("MSG_PEEK", sys::peek(d.dup, &mut data))?;
    Ok(Some(Packet::new(peeked, data)))
}

/// What the next peek finds, without its data; `None` at the end of the queue.
fn head(d: &Descriptor, ends: bool) -> Result<Option<Peeked>> {
    match sys::peek(d.dup, &mut []) {
        Err(Errno::EAGAIN) => Ok(None),
        head => Ok(Some(d.told("MSG_PEEK", head)?).filter(|head| head.length > 0 || !ends)),
    }
}

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
