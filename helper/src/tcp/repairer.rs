//! The process that has sockets in repair mode, one at a time and for some microseconds each.
//!
//! A tracer that is killed has its tracees run on at once, and a socket in repair mode answers them
//! with EPERM. So the tracer never has one: this process, which nobody waits for, reads the socket and
//! ends its repair, be the helper killed meanwhile or not; and should it be killed itself, the helper
//! ends the repair, with the tree still frozen.

use super::read::{end_repair, in_repair, reuse};
use super::stream::Stream;
use super::Connection;
use crate::error::{Error, Result};
use crate::sys;
use crate::urgent::Urgent;
use crate::value::Bytes;
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{sendmsg, ControlMessage, MsgFlags};
use nix::unistd::setsid;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The argument that makes this program a repairer, with its end of the socket as stdin.
pub const WORD: &str = "repair";

/// One that takes longer is stopped, or worse.
const PATIENCE: Duration = Duration::from_secs(5);

/// Of an answer, before the send queue: errno, then what `words` says.
const WORDS: usize = 14;

pub struct Repairer {
    socket: UnixStream,
    process: Child,
}

impl Repairer {
    pub fn start() -> io::Result<Self> {
        Repairer::run("/proc/self/exe")
    }

    /// `program`, as the repairer.
    pub(super) fn run(program: &str) -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let process = Command::new(program)
            .arg(WORD)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Repairer { socket, process })
    }

    /// What repair mode tells of a connection, and how much of its receive queue belongs to that.
    pub fn read(&mut self, connection: &Connection) -> Result<(Stream, u32)> {
        let dup = connection.dup.as_fd();
        let before = reuse(dup).map_err(|errno| connection.failed("SO_REUSEADDR", errno))?;
        match self.ask(dup, before) {
            Ok(told) => told.map_err(|errno| failed(connection, errno)),
            Err(error) => {
                // It has ended, or is to: nothing of it may come after us.
                let _ = self.process.kill();
                let _ = self.process.wait();
                end_repair(dup, before);
                let errno = Errno::from_raw(error.raw_os_error().unwrap_or(libc::EPIPE));
                Err(connection.failed("the process that reads it", errno))
            }
        }
    }

    fn ask(&mut self, dup: BorrowedFd, reuse: i32) -> io::Result<nix::Result<(Stream, u32)>> {
        let bytes = reuse.to_ne_bytes();
        let fds = [dup.as_raw_fd()];
        let with = [ControlMessage::ScmRights(&fds)];
        let flags = MsgFlags::MSG_NOSIGNAL;
        sendmsg::<()>(self.socket.as_raw_fd(), &[IoSlice::new(&bytes)], &with, flags, None)?;
        let mut head = [0; 4 * WORDS];
        self.socket.read_exact(&mut head)?;
        let mut words = [0; WORDS];
        for (word, bytes) in words.iter_mut().zip(head.chunks_exact(4)) {
            *word = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        if words[0] != 0 {
            return Ok(Err(Errno::from_raw(words[0] as i32)));
        }
        let mut outq = vec![0; words[WORDS - 1] as usize];
        self.socket.read_exact(&mut outq)?;
        Ok(Ok(told(&words, outq)))
    }
}

fn failed(connection: &Connection, errno: Errno) -> Error {
    let error = connection.failed("reading it in repair mode (TCP_REPAIR)", errno);
    match errno {
        Errno::EPERM => error.with_remedy("run ckpt as root, or with CAP_NET_ADMIN"),
        _ => error,
    }
}

impl Drop for Repairer {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        let _ = self.process.wait();
    }
}

/// What the repairer does; no signal that ends the helper's group is to end it too.
pub fn run() -> io::Result<()> {
    let _ = setsid();
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut urgent = None;
    let mut reuse = [0; 4];
    loop {
        poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
        let (_, Some(connection)) = sys::receive(socket.as_fd(), &mut reuse)? else {
            return Ok(());
        };
        urgent.get_or_insert_with(Urgent::new);
        let told = in_repair(connection.as_fd(), i32::from_ne_bytes(reuse));
        drop(connection);
        answer(&mut socket, told)?;
    }
}

fn answer(socket: &mut UnixStream, told: nix::Result<(Stream, u32)>) -> io::Result<()> {
    let (words, outq) = match told {
        Ok((stream, inq)) => (words(&stream, inq), stream.outq.0),
        Err(errno) => ([errno as u32; WORDS], Vec::new()),
    };
    let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_ne_bytes).collect();
    bytes.extend(outq);
    socket.write_all(&bytes)
}

fn words(stream: &Stream, inq: u32) -> [u32; WORDS] {
    let Stream { state, options, snd_wscale, rcv_wscale, .. } = *stream;
    let small = u32::from_ne_bytes([state, options, snd_wscale, rcv_wscale]);
    let Stream { rcv_nxt, write_seq, unsent, mss, timestamp, window, .. } = *stream;
    let [a, b, c, d, e] = window;
    let outq = stream.outq.0.len() as u32;
    [0, small, rcv_nxt, write_seq, unsent, mss, timestamp, a, b, c, d, e, inq, outq]
}

fn told(words: &[u32; WORDS], outq: Vec<u8>) -> (Stream, u32) {
    let [_, small, rcv_nxt, write_seq, unsent, mss, timestamp, a, b, c, d, e, inq, _] = *words;
    let [state, options, snd_wscale, rcv_wscale] = small.to_ne_bytes();
    let stream = Stream {
        state,
        options,
        snd_wscale,
        rcv_wscale,
        rcv_nxt,
        write_seq,
        unsent,
        mss,
        timestamp,
        window: [a, b, c, d, e],
        inq: Bytes::default(),
        outq: Bytes(outq),
    };
    (stream, inq)
}
