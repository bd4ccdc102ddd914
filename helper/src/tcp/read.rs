//! Reads a connection: what needs repair mode, in the repairer, and what does not, here.

use super::stream::{Stream, CLOSE};
use super::Connection;
use crate::error::{Code, Error, Result};
use crate::sys::{self, ioctl_int, IntIoctl};
use crate::value::Bytes;
use nix::errno::Errno;
use nix::libc::{MSG_DONTWAIT, MSG_PEEK, SOL_SOCKET, SOL_TCP, SO_REUSEADDR};
use nix::libc::{TCP_INFO, TCP_MAXSEG, TCP_QUEUE_SEQ, TCP_REPAIR, TCP_REPAIR_QUEUE};
use nix::libc::{TCP_REPAIR_WINDOW, TCP_TIMESTAMP};
use nix::sys::socket::{recv, MsgFlags};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

// linux/tcp.h
const TCP_REPAIR_ON: i32 = 1;
/// Without the window probe that 0 would send: nothing has been changed.
const TCP_REPAIR_OFF_NO_WP: i32 = -1;
const TCP_NO_QUEUE: i32 = 0;
const TCP_RECV_QUEUE: i32 = 1;
const TCP_SEND_QUEUE: i32 = 2;

/// A segment that the peer has acknowledged in part may be in the queue as a whole.
const SPARE: usize = 128 << 10;

/// How often a socket is looked at again, of which a packet changed something meanwhile.
const TRIES: u32 = 1000;

/// A socket in repair mode; dropping it ends that. Switching it changes SO_REUSEADDR.
struct Repair<'a> {
    socket: BorrowedFd<'a>,
    reuse: i32,
}

impl<'a> Repair<'a> {
    fn on(socket: BorrowedFd<'a>, reuse: i32) -> nix::Result<Self> {
        sys::setsockopt(socket, SOL_TCP, TCP_REPAIR, TCP_REPAIR_ON)?;
        Ok(Repair { socket, reuse })
    }

    fn queue(&self, queue: i32) -> nix::Result<u32> {
        sys::setsockopt(self.socket, SOL_TCP, TCP_REPAIR_QUEUE, queue)?;
        word(self.socket, TCP_QUEUE_SEQ)
    }
}

impl Drop for Repair<'_> {
    fn drop(&mut self) {
        end_repair(self.socket, self.reuse);
    }
}

/// SO_REUSEADDR, as `end_repair` puts it back.
pub fn reuse(socket: BorrowedFd) -> nix::Result<i32> {
    let mut value = [0; 4];
    sys::getsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &mut value)?;
    Ok(i32::from_ne_bytes(value))
}

pub fn end_repair(socket: BorrowedFd, reuse: i32) {
    let _ = sys::setsockopt(socket, SOL_TCP, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP);
    let _ = sys::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, reuse);
}

/// Have it end, when its last descriptor is closed, without a FIN or RST: tcp_close(), which a socket
/// in repair mode goes through, sends none.
pub fn abandon(socket: BorrowedFd) {
    let _ = sys::setsockopt(socket, SOL_TCP, TCP_REPAIR, TCP_REPAIR_ON);
}

/// What needs repair mode: all but the receive queue, of which the returned number of bytes belongs
/// to what is told. While the send queue is chosen, what an arriving packet has the socket send would
/// be taken as sent and be resent only later: it is chosen last, and for as short as can be.
pub fn in_repair(socket: BorrowedFd, reuse: i32) -> nix::Result<(Stream, u32)> {
    let queued = ioctl_int(socket, IntIoctl::Siocoutq)? as usize;
    let mut buffer = vec![1; queued + SPARE]; // not zeros, for which no memory would be there yet
    let repair = Repair::on(socket, reuse)?;
    for _ in 0..TRIES {
        let mut stream = look(&repair)?;
        let inq = ioctl_int(socket, IntIoctl::Fionread)? as u32;
        if repair.queue(TCP_RECV_QUEUE)? != stream.rcv_nxt {
            continue;
        }
        let length = send_queue(&repair, &mut stream, &mut buffer)?;
        if info(socket)?[0] == stream.state {
            drop(repair);
            buffer.truncate(length);
            return Ok((Stream { outq: Bytes(buffer), ..stream }, inq));
        }
    }
    Err(Errno::EAGAIN)
}

fn look(repair: &Repair) -> nix::Result<Stream> {
    let socket = repair.socket;
    let rcv_nxt = repair.queue(TCP_RECV_QUEUE)?;
    let [state, _, _, _, _, options, scales, _] = info(socket)?;
    let mut window = [0; 20];
    sys::getsockopt(socket, SOL_TCP, TCP_REPAIR_WINDOW, &mut window)?;
    let of = |at: usize| {
        u32::from_ne_bytes([window[at], window[at + 1], window[at + 2], window[at + 3]])
    };
    Ok(Stream {
        state,
        options,
        snd_wscale: scales & 0xf,
        rcv_wscale: scales >> 4,
        rcv_nxt,
        mss: word(socket, TCP_MAXSEG)?,
        timestamp: word(socket, TCP_TIMESTAMP)?,
        window: [of(0), of(4), of(8), of(12), of(16)],
        ..Stream::default()
    })
}

/// How much is in the queue. Of a socket that is closed, there is nothing more to be sent.
fn send_queue(repair: &Repair, stream: &mut Stream, buffer: &mut [u8]) -> nix::Result<usize> {
    let socket = repair.socket;
    stream.write_seq = repair.queue(TCP_SEND_QUEUE)?;
    let mut length = 0;
    if stream.state != CLOSE {
        length = peek(socket, buffer)?;
        stream.unsent = ioctl_int(socket, IntIoctl::Siocoutqnsd)? as u32;
    }
    sys::setsockopt(socket, SOL_TCP, TCP_REPAIR_QUEUE, TCP_NO_QUEUE)?;
    Ok(length)
}

/// Nothing that was received goes away while the tree is frozen: as much as there was then is there.
pub fn stream(connection: &Connection, (stream, inq): (Stream, u32)) -> Result<Stream> {
    let mut data = vec![0; inq as usize];
    if inq > 0 {
        let peeked = peek(connection.dup.as_fd(), &mut data);
        let length = peeked.map_err(|errno| connection.failed("MSG_PEEK", errno))?;
        if length != data.len() {
            return Err(connection.unread());
        }
    }
    Ok(Stream { inq: Bytes(data), ..stream })
}

/// Bytes to be read.
pub fn waiting(connection: &Connection) -> Result<usize> {
    let told = ioctl_int(connection.dup.as_fd(), IntIoctl::Fionread);
    told.map(|bytes| bytes as usize).map_err(|errno| connection.failed("SIOCINQ", errno))
}

impl Connection {
    pub fn moved(&self, bytes: usize) -> Error {
        let Connection { pid, object, .. } = self;
        let why = format!("{bytes} bytes came in since it was dumped, which would be lost");
        Error::new(Code::TargetChanged, format!("pid {pid}: {object}: {why}"))
            .with_pid(*pid)
            .with_object(object)
            .with_remedy("keep packets away, or leave that to --network-lock nftables")
    }

    pub fn failed(&self, doing: &str, errno: Errno) -> Error {
        let doing = format!("{}: {doing}", self.object);
        Error::of_task(self.pid, &doing, errno).with_object(&self.object)
    }

    fn unread(&self) -> Error {
        let Connection { pid, object, .. } = self;
        let why = "part of its queue (urgent data?) cannot be read without consuming it";
        Error::new(Code::UnsupportedObject, format!("pid {pid}: {object}: {why}"))
            .with_pid(*pid)
            .with_object(object)
            .with_remedy("dump when the program has read it")
    }
}

/// MSG_PEEK from the head on; of TCP, MSG_TRUNC would copy nothing.
fn peek(socket: BorrowedFd, into: &mut [u8]) -> nix::Result<usize> {
    recv(socket.as_raw_fd(), into, MsgFlags::from_bits_retain(MSG_PEEK | MSG_DONTWAIT))
}

/// struct tcp_info, its first bytes.
fn info(socket: BorrowedFd) -> nix::Result<[u8; 8]> {
    let mut info = [0; 8];
    sys::getsockopt(socket, SOL_TCP, TCP_INFO, &mut info)?;
    Ok(info)
}

fn word(socket: BorrowedFd, name: i32) -> nix::Result<u32> {
    let mut value = [0; 4];
    sys::getsockopt(socket, SOL_TCP, name, &mut value)?;
    Ok(u32::from_ne_bytes(value))
}
