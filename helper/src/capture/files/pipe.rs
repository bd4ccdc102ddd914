//! Pipes and fifos: what is in flight is copied by tee(2) into a pipe of ours, which consumes
//! nothing. docs/protocol.md, "pipe".

use super::descriptor::Descriptor;
use crate::error::Result;
use crate::sys::{ioctl_int, IntIoctl};
use crate::value::{Bytes, Hex};
use nix::errno::Errno;
use nix::fcntl::{fcntl, tee, FcntlArg, OFlag, SpliceFFlags};
use nix::poll::PollFlags;
use nix::unistd::{pipe2, read};
use serde::Serialize;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

/// One end, or both (a fifo opened O_RDWR): the access mode is in the flags.
#[derive(Debug, Serialize)]
pub struct End {
    pub pipe: Hex,
}

#[derive(Debug, Serialize)]
#[serde(tag = "t", rename = "pipe")]
pub struct Pipe {
    pub ino: Hex,
    pub capacity: i32,
    pub data: Bytes,
    /// An end is in packet mode, O_DIRECT.
    pub packet: bool,
    /// Lengths of the packets in flight, where there is more than one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packets: Vec<usize>,
    /// An end exists outside the tree only. Never for a fifo, whose ends meet again by its name.
    pub peer_missing: bool,
}

#[derive(Default)]
pub struct Pipes {
    seen: BTreeMap<u64, Seen>,
    /// Ours, empty between two copies.
    spare: Option<(OwnedFd, OwnedFd)>,
}

/// A pipe as the tree's descriptors showed it.
#[derive(Default)]
struct Seen {
    capacity: i32,
    /// Copied from the first end that can be read.
    packets: Option<Vec<Vec<u8>>>,
    packet_mode: bool,
    named: bool,
    readable: bool,
    writable: bool,
    /// poll(2): no end of the other kind exists anywhere.
    widowed: bool,
}

impl Pipes {
    pub fn capture(&mut self, d: &Descriptor, named: bool) -> Result<End> {
        let ino = d.inode.ino;
        let flags = OFlag::from_bits_retain(d.info.flags as i32);
        let access = flags & OFlag::O_ACCMODE;
        let events = d.poll()?;
        let mut seen = self.seen.remove(&ino.0).unwrap_or_default();
        seen.capacity = d.told("F_GETPIPE_SZ", fcntl(d.dup, FcntlArg::F_GETPIPE_SZ))?;
        seen.named = named;
        seen.packet_mode |= flags.contains(OFlag::O_DIRECT);
        seen.readable |= access != OFlag::O_WRONLY;
        seen.writable |= access != OFlag::O_RDONLY;
        seen.widowed |= events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR);
        if access != OFlag::O_WRONLY && seen.packets.is_none() {
            seen.packets = Some(self.copy(d, seen.capacity)?);
        }
        self.seen.insert(ino.0, seen);
        Ok(End { pipe: ino })
    }

    /// What is in flight, one item a packet, or one for all of it.
    fn copy(&mut self, d: &Descriptor, capacity: i32) -> Result<Vec<Vec<u8>>> {
        let expected = d.told("FIONREAD", ioctl_int(d.dup, IntIoctl::Fionread))? as usize;
        if expected == 0 {
            return Ok(Vec::new());
        }
        let ours = match self.spare.take() {
            Some(ours) => ours,
            None => d.told("pipe2", pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK))?,
        };
        // It may not grow beyond pipe-max-size without CAP_SYS_RESOURCE; what counts is whether
        // all of the data fits, which the sum below tells.
        let _ = fcntl(&ours.1, FcntlArg::F_SETPIPE_SZ(capacity));
        let copied = tee(d.dup, &ours.1, expected, SpliceFFlags::SPLICE_F_NONBLOCK);
        if d.told("tee", copied)? != expected {
            let why = "the pipe holds more than this kernel lets us copy unconsumed";
            return Err(d.unsupported(why, "raise /proc/sys/fs/pipe-max-size"));
        }
        let packets = d.told("reading the copy", drain(&ours.0, expected))?;
        self.spare = Some(ours);
        Ok(packets)
    }

    pub fn facts(self) -> Vec<Pipe> {
        self.seen.into_iter().map(|(ino, seen)| seen.fact(ino)).collect()
    }
}

impl Seen {
    fn fact(self, ino: u64) -> Pipe {
        let one_ended = self.readable != self.writable;
        let packets = self.packets.unwrap_or_default();
        let lengths: Vec<usize> = packets.iter().map(Vec::len).collect();
        Pipe {
            ino: Hex(ino),
            capacity: self.capacity,
            data: Bytes(packets.concat()),
            packet: self.packet_mode,
            packets: if lengths.len() > 1 { lengths } else { Vec::new() },
            peer_missing: one_ended && !self.named && !self.widowed,
        }
    }
}

/// A read ends with the packet, or else takes all that fits.
fn drain(pipe: &OwnedFd, total: usize) -> nix::Result<Vec<Vec<u8>>> {
    let mut packets: Vec<Vec<u8>> = Vec::new();
    let mut left = total;
    while left > 0 {
        let mut packet = vec![0; left];
        let count = read(pipe, &mut packet)?;
        if count == 0 {
            return Err(Errno::EIO);
        }
        packet.truncate(count);
        left -= count;
        packets.push(packet);
    }
    Ok(packets)
}
