//! IPv4 and IPv6 sockets. Of TCP what getsockopt(2) tells; sequence numbers and queues of connections
//! are told of later, once all of them are known (crate::tcp). ip(7), tcp(7), udp(7).

use super::address::Address;
use super::descriptor::Descriptor;
use super::diag;
use super::queue::{self, Packet};
use super::sockopts::{self, int, SockOpts};
use crate::error::Result;
use crate::sys::{self, ioctl_int, IntIoctl};
use crate::tcp::{Connection, Ends, Stream};
use crate::value::Bytes;
use nix::errno::Errno;
use nix::libc::*;
use nix::poll::PollFlags;
use nix::sys::socket::getsockname;
use serde::Serialize;
use std::collections::HashMap;
use std::os::fd::AsRawFd;

const ESTABLISHED: u8 = 1;
const CLOSE: u8 = 7;
const LISTEN: u8 = 10;

#[derive(Debug, Serialize)]
pub struct Inet {
    pub family: i32,
    #[serde(rename = "type")]
    pub kind: i32,
    pub proto: i32,
    /// TCP_* states; a connected UDP socket is established.
    pub state: u8,
    pub src: Bytes,
    pub dst: Bytes,
    pub sport: u16,
    pub dport: u16,
    /// Of a listener.
    pub backlog: u32,
    /// Of a listener: connections that wait to be accepted.
    pub rqlen: u32,
    pub v6only: bool,
    /// Of UDP; a TCP connection's state tells.
    pub shutdown: u8,
    /// The interface that a link-local source address belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ifname: Option<String>,
    /// Of UDP.
    pub queue: Vec<Packet>,
    /// Bytes of TCP received and not read yet.
    pub unread: i32,
    /// Bytes sent and not taken by the network (TCP: not acknowledged) yet.
    pub unsent: i32,
    /// TCP_CORK or UDP_CORK.
    pub cork: bool,
    pub ip: IpOpts,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<Tcp>,
    /// Of a TCP connection, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<Stream>,
    pub opts: SockOpts,
}

/// Not asked of other protocols: not all of them know these options (MPTCP has no IP_PKTINFO).
#[derive(Debug, Default, Serialize)]
pub struct IpOpts {
    pub freebind: bool,
    pub pktinfo: bool,
    pub tos: i32,
    pub ttl: i32,
}

#[derive(Debug, Serialize)]
pub struct Tcp {
    pub nodelay: bool,
    pub defer_accept: i32,
    /// Milliseconds; 0: the system's.
    pub user_timeout: i32,
    pub congestion: String,
    /// TCP_ULP: what else has taken the connection over, "tls".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ulp: Option<String>,
    /// An error waits to be reported (POLLERR).
    pub error: bool,
}

#[derive(Default)]
pub struct InetSockets {
    /// By (family, protocol), then by inode.
    udp_shutdown: HashMap<(i32, i32), HashMap<u64, u8>>,
    /// TCP connections, established or not yet or no more.
    pub connections: Vec<Connection>,
}

impl InetSockets {
    pub fn capture(&mut self, d: &Descriptor, family: i32) -> Result<Inet> {
        let kind = d.told("SO_TYPE", int(d.dup, SOL_SOCKET, SO_TYPE))?;
        let proto = d.told("SO_PROTOCOL", int(d.dup, SOL_SOCKET, SO_PROTOCOL))?;
        let (tcp, udp) = (proto == IPPROTO_TCP, proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE);
        let source = Address::of(&d.told("getsockname", getsockname(d.dup.as_raw_fd()))?);
        let peer = Address::of_peer(d, family)?;
        let unconnected = if peer.is_some() { ESTABLISHED } else { CLOSE };
        let (state, pending, backlog) = match tcp {
            true => d.told("TCP_INFO", tcp_info(d))?,
            false => (unconnected, 0, 0),
        };
        let listens = state == LISTEN;
        let peer = peer.unwrap_or_else(|| Address::none(family));
        let inet = Inet {
            family,
            kind,
            proto,
            state,
            sport: source.port,
            dport: peer.port,
            backlog: if listens { backlog } else { 0 },
            rqlen: if listens { pending } else { 0 },
            v6only: family == AF_INET6 && is(d, "IPV6_V6ONLY", SOL_IPV6, IPV6_V6ONLY)?,
            shutdown: if udp { self.shutdown(d, family, proto)? } else { 0 },
            ifname: source.interface(d)?,
            src: Bytes(source.address),
            dst: Bytes(peer.address),
            queue: if udp { queue::datagrams(d, false)? } else { Vec::new() },
            unread: bytes(d, "SIOCINQ", IntIoctl::Fionread, tcp && !listens)?,
            unsent: bytes(d, "SIOCOUTQ", IntIoctl::Siocoutq, udp || (tcp && !listens))?,
            cork: (tcp && is(d, "TCP_CORK", SOL_TCP, TCP_CORK)?)
                || (udp && is(d, "UDP_CORK", SOL_UDP, UDP_CORK)?),
            ip: if tcp || udp { ip(d)? } else { IpOpts::default() },
            tcp: if tcp { Some(tcp_opts(d)?) } else { None },
            stream: None,
            opts: sockopts::capture(d, family, tcp)?,
        };
        if tcp && inet.dport != 0 && inet.opts.peek_off.is_none() {
            self.connections.push(connection(d, &inet)?);
        }
        Ok(inet)
    }

    /// A socket that is not bound is not listed; poll(2) tells at least whether it can receive.
    fn shutdown(&mut self, d: &Descriptor, family: i32, proto: i32) -> Result<u8> {
        if let std::collections::hash_map::Entry::Vacant(all) =
            self.udp_shutdown.entry((family, proto))
        {
            all.insert(d.told("sock_diag", diag::udp_shutdown(family, proto))?);
        }
        let all = &self.udp_shutdown[&(family, proto)];
        Ok(all.get(&d.inode.ino.0).copied().unwrap_or(0))
    }
}

/// With a duplicate of its own, for the time when all are known.
fn connection(d: &Descriptor, inet: &Inet) -> Result<Connection> {
    let dup = d.dup.try_clone_to_owned();
    let dup = dup.map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(EIO)));
    Ok(Connection {
        dup: d.told("dup", dup)?,
        ino: d.inode.ino.0,
        ends: Ends::new((&inet.src.0, inet.sport), (&inet.dst.0, inet.dport)),
        pid: d.pid,
        object: d.object(),
    })
}

/// struct tcp_info: the state, and of a listener how many connections wait and how many may
/// (tcpi_unacked, tcpi_sacked: net/ipv4/tcp.c, tcp_get_info).
fn tcp_info(d: &Descriptor) -> nix::Result<(u8, u32, u32)> {
    const UNACKED: usize = 24;
    const SACKED: usize = 28;
    let mut info = [0u8; 32];
    sys::getsockopt(d.dup, SOL_TCP, TCP_INFO, &mut info)?;
    let word = |at: usize| u32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]]);
    Ok((info[0], word(UNACKED), word(SACKED)))
}

/// IPv6 sockets answer these at SOL_IP too: net/ipv6/ipv6_sockglue.c, ipv6_getsockopt.
fn ip(d: &Descriptor) -> Result<IpOpts> {
    Ok(IpOpts {
        freebind: is(d, "IP_FREEBIND", SOL_IP, IP_FREEBIND)?,
        pktinfo: is(d, "IP_PKTINFO", SOL_IP, IP_PKTINFO)?,
        tos: d.told("IP_TOS", int(d.dup, SOL_IP, IP_TOS))?,
        ttl: d.told("IP_TTL", int(d.dup, SOL_IP, IP_TTL))?,
    })
}

fn tcp_opts(d: &Descriptor) -> Result<Tcp> {
    let ulp = name(d, "TCP_ULP", TCP_ULP)?;
    Ok(Tcp {
        nodelay: is(d, "TCP_NODELAY", SOL_TCP, TCP_NODELAY)?,
        defer_accept: d.told("TCP_DEFER_ACCEPT", int(d.dup, SOL_TCP, TCP_DEFER_ACCEPT))?,
        user_timeout: d.told("TCP_USER_TIMEOUT", int(d.dup, SOL_TCP, TCP_USER_TIMEOUT))?,
        congestion: name(d, "TCP_CONGESTION", TCP_CONGESTION)?,
        ulp: (!ulp.is_empty()).then_some(ulp),
        error: d.poll()?.contains(PollFlags::POLLERR),
    })
}

/// An option that is a short text; empty where it is none.
fn name(d: &Descriptor, doing: &str, option: i32) -> Result<String> {
    let mut name = [0; 16];
    let length = d.told(doing, sys::getsockopt(d.dup, SOL_TCP, option, &mut name))?;
    let name = name[..length].split(|&byte| byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(name).into_owned())
}

fn is(d: &Descriptor, doing: &str, level: i32, name: i32) -> Result<bool> {
    Ok(d.told(doing, int(d.dup, level, name))? != 0)
}

fn bytes(d: &Descriptor, doing: &str, request: IntIoctl, applies: bool) -> Result<i32> {
    if !applies {
        return Ok(0);
    }
    d.told(doing, ioctl_int(d.dup, request))
}
