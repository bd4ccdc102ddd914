//! The socket options that CRIU's sk_opts_entry has room for, as getsockopt(2) gives them:
//! buffer sizes are the kernel's, twice what was set. socket(7), tcp(7).

use super::descriptor::Descriptor;
use super::queue::peek_offset;
use crate::error::Result;
use crate::sys;
use crate::value::{Bytes, Hex};
use nix::errno::Errno;
use nix::libc::*;
use serde::Serialize;
use std::os::fd::BorrowedFd;

#[derive(Debug, Serialize)]
pub struct SockOpts {
    pub sndbuf: i32,
    pub rcvbuf: i32,
    pub snd_tmo_us: Hex,
    pub rcv_tmo_us: Hex,
    pub reuseaddr: bool,
    pub reuseport: bool,
    pub passcred: bool,
    pub passsec: bool,
    pub dontroute: bool,
    pub no_check: bool,
    pub broadcast: bool,
    pub keepalive: bool,
    pub oobinline: bool,
    pub priority: i32,
    pub rcvlowat: i32,
    pub mark: i32,
    /// SOCK_SNDBUF_LOCK 1, SOCK_RCVBUF_LOCK 2.
    pub buf_lock: i32,
    /// Seconds; absent: SO_LINGER is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linger: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound_dev: Option<String>,
    /// struct sock_filter, 8 bytes each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepcnt: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepidle: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepintvl: Option<i32>,
    /// SO_PEEK_OFF; absent: off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peek_off: Option<i32>,
}

/// `tcp`: its keepalive options too.
pub fn capture(d: &Descriptor, family: i32, tcp: bool) -> Result<SockOpts> {
    let get = |doing, name| d.told(doing, int(d.dup, SOL_SOCKET, name));
    let is = |doing, name| Ok::<_, crate::error::Error>(get(doing, name)? != 0);
    let of_tcp = |doing, name| match tcp {
        true => d.told(doing, int(d.dup, SOL_TCP, name)).map(Some),
        false => Ok(None),
    };
    let unix = family == AF_UNIX; // the other families have no SO_PASS* (Linux 6.16)
    let peek_off = peek_offset(d.dup);
    Ok(SockOpts {
        sndbuf: get("SO_SNDBUF", SO_SNDBUF)?,
        rcvbuf: get("SO_RCVBUF", SO_RCVBUF)?,
        snd_tmo_us: d.told("SO_SNDTIMEO", timeout(d.dup, SO_SNDTIMEO))?,
        rcv_tmo_us: d.told("SO_RCVTIMEO", timeout(d.dup, SO_RCVTIMEO))?,
        reuseaddr: is("SO_REUSEADDR", SO_REUSEADDR)?,
        reuseport: is("SO_REUSEPORT", SO_REUSEPORT)?,
        passcred: unix && is("SO_PASSCRED", SO_PASSCRED)?,
        passsec: unix && is("SO_PASSSEC", SO_PASSSEC)?,
        dontroute: is("SO_DONTROUTE", SO_DONTROUTE)?,
        no_check: is("SO_NO_CHECK", SO_NO_CHECK)?,
        broadcast: is("SO_BROADCAST", SO_BROADCAST)?,
        keepalive: is("SO_KEEPALIVE", SO_KEEPALIVE)?,
        oobinline: is("SO_OOBINLINE", SO_OOBINLINE)?,
        priority: get("SO_PRIORITY", SO_PRIORITY)?,
        rcvlowat: get("SO_RCVLOWAT", SO_RCVLOWAT)?,
        mark: get("SO_MARK", SO_MARK)?,
        buf_lock: get("SO_BUF_LOCK", SO_BUF_LOCK)?,
        linger: d.told("SO_LINGER", linger(d.dup))?,
        bound_dev: d.told("SO_BINDTODEVICE", bound_device(d.dup))?,
        filter: filter(d)?,
        keepcnt: of_tcp("TCP_KEEPCNT", TCP_KEEPCNT)?,
        keepidle: of_tcp("TCP_KEEPIDLE", TCP_KEEPIDLE)?,
        keepintvl: of_tcp("TCP_KEEPINTVL", TCP_KEEPINTVL)?,
        peek_off: (peek_off >= 0).then_some(peek_off),
    })
}

/// An option that is an int.
pub fn int(fd: BorrowedFd, level: i32, name: i32) -> nix::Result<i32> {
    let mut value = [0; 4];
    sys::getsockopt(fd, level, name, &mut value)?;
    Ok(i32::from_ne_bytes(value))
}

/// A struct timeval, in microseconds; 0: none.
fn timeout(fd: BorrowedFd, name: i32) -> nix::Result<Hex> {
    let mut value = [0; 16];
    sys::getsockopt(fd, SOL_SOCKET, name, &mut value)?;
    let (seconds, microseconds) = value.split_at(8);
    let number = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
    Ok(Hex(number(seconds) * 1_000_000 + number(microseconds)))
}

/// A struct linger: on or off, then seconds.
fn linger(fd: BorrowedFd) -> nix::Result<Option<i32>> {
    let mut value = [0; 8];
    sys::getsockopt(fd, SOL_SOCKET, SO_LINGER, &mut value)?;
    let [a, b, c, d, seconds @ ..] = value;
    let on = i32::from_ne_bytes([a, b, c, d]) != 0;
    Ok(on.then_some(i32::from_ne_bytes(seconds)))
}

fn bound_device(fd: BorrowedFd) -> nix::Result<Option<String>> {
    let mut name = [0; IFNAMSIZ];
    let length = sys::getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, &mut name)?;
    let name = name[..length].split(|byte| *byte == 0).next().unwrap_or_default();
    Ok((!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned()))
}

fn filter(d: &Descriptor) -> Result<Option<Bytes>> {
    match sys::socket_filter(d.dup) {
        Err(Errno::EACCES) => {
            let why = "an eBPF program filters it, which the kernel does not hand out";
            Err(d.unsupported(why, "detach it (SO_DETACH_FILTER)"))
        }
        program => {
            let program = d.told("SO_GET_FILTER", program)?;
            Ok((!program.is_empty()).then_some(Bytes(program)))
        }
    }
}
