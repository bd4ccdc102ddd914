//! sock_diag(7): what the kernel tells of sockets over netlink. One dump answers for all sockets
//! of the network namespace, so it is asked for once, and only if the tree has such a socket.

use nix::errno::Errno;
use nix::libc::{AF_UNIX, NETLINK_SOCK_DIAG};
use nix::sys::socket::{
    recv, send, socket, AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType,
};
use std::collections::HashMap;
use std::os::fd::AsRawFd;

// linux/netlink.h, linux/sock_diag.h
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const HEADER: usize = 16;

/// A unix socket, as UNIX_DIAG shows it. linux/unix_diag.h
#[derive(Clone, Debug, Default)]
pub struct UnixDiag {
    /// TCP_* states: 1 established, 7 closed, 10 listening.
    pub state: u8,
    pub name: Vec<u8>,
    /// Absent: it has none. 0: a peer that is closed, or that nobody has accepted yet.
    pub peer: Option<u32>,
    /// Of a listener: the inodes of those that wait to be accepted.
    pub icons: Vec<u32>,
    /// Bytes to read; of a listener, connections that wait.
    pub rqueue: u32,
    /// Bytes not yet read by the peer; of a listener, its backlog.
    pub wqueue: u32,
    pub shutdown: u8,
}

/// All unix sockets, by inode.
pub fn unix() -> nix::Result<HashMap<u64, UnixDiag>> {
    const SHOW: u32 = 0x01 | 0x04 | 0x08 | 0x10; // UDIAG_SHOW_NAME, PEER, ICONS, RQLEN
    let mut request = vec![AF_UNIX as u8, 0, 0, 0];
    request.extend(u32::MAX.to_ne_bytes()); // all states
    request.extend(0u32.to_ne_bytes()); // no inode in particular
    request.extend(SHOW.to_ne_bytes());
    request.extend([0; 8]); // no cookie
    let mut found = HashMap::new();
    dump(&request, |message| {
        let ino = word(message, 4)?;
        let mut diag = UnixDiag { state: *message.get(2)?, ..UnixDiag::default() };
        for (kind, value) in attributes(message.get(16..)?) {
            match kind {
                0 => diag.name = value.to_vec(),
                2 => diag.peer = word(value, 0),
                3 => diag.icons = value.chunks_exact(4).filter_map(|ino| word(ino, 0)).collect(),
                4 => (diag.rqueue, diag.wqueue) = (word(value, 0)?, word(value, 4)?),
                6 => diag.shutdown = *value.first()?,
                _ => {}
            }
        }
        found.insert(u64::from(ino), diag);
        Some(())
    })?;
    Ok(found)
}

/// How each bound or connected UDP or UDP-Lite socket is shut down, by inode: RCV_SHUTDOWN 1,
/// SEND_SHUTDOWN 2. linux/inet_diag.h
pub fn udp_shutdown(family: i32, protocol: i32) -> nix::Result<HashMap<u64, u8>> {
    const INET_DIAG_SHUTDOWN: u16 = 8;
    const MESSAGE: usize = 72; // struct inet_diag_msg
    let mut request = vec![family as u8, protocol as u8, 0, 0];
    request.extend(u32::MAX.to_ne_bytes()); // all states
    request.extend([0; 48]); // no address in particular
    let mut found = HashMap::new();
    dump(&request, |message| {
        let ino = word(message, MESSAGE - 4)?;
        for (kind, value) in attributes(message.get(MESSAGE..)?) {
            if kind == INET_DIAG_SHUTDOWN {
                found.insert(u64::from(ino), *value.first()?);
            }
        }
        Some(())
    })?;
    Ok(found)
}

/// Send one request and give each answer to `each`, which returns `None` for one cut short.
fn dump(body: &[u8], mut each: impl FnMut(&[u8]) -> Option<()>) -> nix::Result<()> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let diag = SockProtocol::NetlinkSockDiag;
    debug_assert_eq!(diag as i32, NETLINK_SOCK_DIAG);
    let netlink = socket(AddressFamily::Netlink, SockType::Raw, flags, diag)?;
    let mut request = Vec::with_capacity(HEADER + body.len());
    request.extend(((HEADER + body.len()) as u32).to_ne_bytes());
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend(NLM_F_REQUEST_DUMP.to_ne_bytes());
    request.extend([0; 8]); // sequence number, port
    request.extend(body);
    send(netlink.as_raw_fd(), &request, MsgFlags::empty())?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = recv(netlink.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        let mut rest = &buffer[..length];
        while let Some((kind, message, after)) = split_message(rest) {
            match kind {
                NLMSG_DONE => return Ok(()),
                NLMSG_ERROR => return Err(refusal(message)),
                _ => each(message).ok_or(Errno::EBADMSG)?,
            }
            rest = after;
        }
    }
}

fn refusal(message: &[u8]) -> Errno {
    word(message, 0).map_or(Errno::EBADMSG, |code| Errno::from_raw((code as i32).wrapping_neg()))
}

/// The first netlink message: its type, its body, and what follows it.
fn split_message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = word(bytes, 0)? as usize;
    let kind = half(bytes, 4)?;
    let after = bytes.get(aligned(length)..).unwrap_or_default();
    Some((kind, bytes.get(HEADER..length)?, after))
}

fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(half(bytes, 0)?);
        let kind = half(bytes, 2)?;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn aligned(length: usize) -> usize {
    (length + 3) & !3
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_end_where_the_bytes_do() {
        let bytes = [5, 0, 6, 0, 3, 0, 0, 0, 8, 0, 2, 0, 1, 0, 0, 0, 99, 0, 1, 0];
        let found: Vec<_> = attributes(&bytes).collect();
        assert_eq!(found, [(6, &[3u8][..]), (2, &[1, 0, 0, 0][..])]);
    }

    #[test]
    fn messages_cut_short_are_none() {
        assert!(split_message(&[]).is_none());
        assert!(split_message(&[40, 0, 0, 0, 20, 0, 0, 0]).is_none());
    }
}
