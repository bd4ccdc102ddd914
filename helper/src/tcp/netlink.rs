//! Messages of nf_tables over netlink(7), sent as one transaction: all of it comes to be, or nothing.
//! linux/netfilter/nf_tables.h, linux/netfilter/nfnetlink.h.

use nix::errno::Errno;
use nix::sys::socket::{
    recv, send, socket, AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType,
};
use std::os::fd::{AsRawFd, OwnedFd};

const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_APPEND: u16 = 0x800;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NFNL_SUBSYS_NFTABLES: u16 = 10;
const NFPROTO_INET: u8 = 1;
const NLA_F_NESTED: u16 = 0x8000;
const HEADER: usize = 16;

/// NFT_MSG_*.
#[derive(Clone, Copy)]
#[repr(u16)]
pub enum Message {
    NewTable = 0,
    DeleteTable = 2,
    NewChain = 3,
    NewRule = 6,
    NewSet = 9,
    NewElements = 12,
}

/// Attributes, one after the other.
#[derive(Clone, Default)]
pub struct Attributes(Vec<u8>);

impl Attributes {
    pub fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        self.0.extend(((4 + value.len()) as u16).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    pub fn text(self, kind: u16, value: &str) -> Self {
        self.bytes(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// In the order of the network, as nf_tables has its numbers.
    pub fn number(self, kind: u16, value: u32) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    pub fn nest(self, kind: u16, inner: Attributes) -> Self {
        self.bytes(kind | NLA_F_NESTED, &inner.0)
    }

    /// A list, as nf_tables has them: each element under NFTA_LIST_ELEM.
    pub fn list(self, kind: u16, elements: impl IntoIterator<Item = Attributes>) -> Self {
        let list = elements.into_iter().fold(Attributes::default(), |list, one| list.nest(1, one));
        self.nest(kind, list)
    }
}

/// A transaction in the making.
pub struct Batch(Vec<u8>);

impl Batch {
    pub fn new() -> Self {
        let mut batch = Batch(Vec::new());
        batch.message(BATCH_BEGIN, 0, (0, NFNL_SUBSYS_NFTABLES), &[]);
        batch
    }

    /// Something of a table of the family `inet`.
    pub fn add(&mut self, message: Message, attributes: &Attributes) {
        let kind = NFNL_SUBSYS_NFTABLES << 8 | message as u16;
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND;
        self.message(kind, flags, (NFPROTO_INET, 0), &attributes.0);
    }

    fn message(&mut self, kind: u16, flags: u16, (family, about): (u8, u16), body: &[u8]) {
        let length = HEADER + 4 + body.len();
        self.0.extend((length as u32).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend((flags | NLM_F_REQUEST).to_ne_bytes());
        self.0.extend([0; 8]); // sequence number, port
        self.0.extend([family, 0]); // struct nfgenmsg
        self.0.extend(about.to_be_bytes());
        self.0.extend(body);
    }

    /// Errors: the first that the kernel tells of.
    pub fn commit(mut self, netlink: &OwnedFd) -> nix::Result<()> {
        self.message(BATCH_END, 0, (0, NFNL_SUBSYS_NFTABLES), &[]);
        send(netlink.as_raw_fd(), &self.0, MsgFlags::empty())?;
        // All answers are there once the batch has been sent.
        let mut answer = [0; 4096];
        loop {
            match recv(netlink.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EAGAIN) => return Ok(()),
                length => check(&answer[..length?])?,
            }
        }
    }
}

fn check(mut answers: &[u8]) -> nix::Result<()> {
    while let [a, b, c, d, kind, more, ..] = *answers {
        let length = u32::from_ne_bytes([a, b, c, d]) as usize;
        let error = answers.get(HEADER..HEADER + 4).ok_or(Errno::EBADMSG)?;
        let error = i32::from_ne_bytes([error[0], error[1], error[2], error[3]]);
        if u16::from_ne_bytes([kind, more]) == NLMSG_ERROR && error != 0 {
            return Err(Errno::from_raw(-error));
        }
        answers = answers.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(())
}

pub fn open() -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC;
    socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkNetFilter)
}
