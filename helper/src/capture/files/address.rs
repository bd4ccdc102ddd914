//! Addresses of IPv4 and IPv6 sockets.

use super::descriptor::Descriptor;
use crate::error::Result;
use crate::sys;
use nix::errno::Errno;
use nix::libc::{AF_INET6, SOL_SOCKET, SO_PEERNAME};
use nix::net::if_::if_indextoname;
use nix::sys::socket::{getpeername, SockaddrLike, SockaddrStorage};
use std::os::fd::AsRawFd;

/// What a struct sockaddr_in or sockaddr_in6 holds.
pub struct Address {
    pub address: Vec<u8>,
    pub port: u16,
    scope: u32,
}

impl Address {
    pub fn of(address: &SockaddrStorage) -> Self {
        if let Some(v4) = address.as_sockaddr_in() {
            return Address { address: v4.ip().octets().to_vec(), port: v4.port(), scope: 0 };
        }
        let none = || Address::none(address.family().map_or(AF_INET6, |family| family as i32));
        address.as_sockaddr_in6().map_or_else(none, |v6| Address {
            address: v6.ip().octets().to_vec(),
            port: v6.port(),
            scope: v6.scope_id(),
        })
    }

    /// Of the peer, if it has one. SO_PEERNAME tells it of a TCP connection that is closed by both
    /// sides, or not established yet, as well; its address is at the same place in both versions'
    /// structs.
    pub fn of_peer(d: &Descriptor, family: i32) -> Result<Option<Self>> {
        match getpeername(d.dup.as_raw_fd()) {
            Err(Errno::ENOTCONN) => {}
            peer => return Ok(Some(Address::of(&d.told("getpeername", peer)?))),
        }
        // The kernel takes no more room than the struct is long.
        let (size, from, bytes) = if family == AF_INET6 { (28, 8, 16) } else { (16, 4, 4) };
        let mut name = [0; 28];
        match sys::getsockopt(d.dup, SOL_SOCKET, SO_PEERNAME, &mut name[..size]) {
            Err(Errno::ENOTCONN) => return Ok(None),
            length => d.told("SO_PEERNAME", length)?,
        };
        let address = name[from..from + bytes].to_vec();
        Ok(Some(Address { address, port: u16::from_be_bytes([name[2], name[3]]), scope: 0 }))
    }

    pub fn none(family: i32) -> Self {
        let length = if family == AF_INET6 { 16 } else { 4 };
        Address { address: vec![0; length], port: 0, scope: 0 }
    }

    pub fn interface(&self, d: &Descriptor) -> Result<Option<String>> {
        if self.scope == 0 {
            return Ok(None);
        }
        let name = d.told("if_indextoname", if_indextoname(self.scope))?;
        Ok(Some(name.to_string_lossy().into_owned()))
    }
}
