//! What the table of a lock consists of: a set of connections for each version of IP, and two chains
//! that drop what belongs to them, on its way in and on its way out. Packets with CRIU's own mark pass:
//! a restore sends itself such, to bring a half-closed connection about.

use super::netlink::{Attributes, Batch, Message};
use super::Ends;

/// CRIU's SOCCR_MARK.
const MARK: u32 = 0xc114;

/// NF_INET_LOCAL_IN, NF_INET_LOCAL_OUT.
const HOOKS: [(&str, u32); 2] = [("input", 1), ("output", 3)];

const NF_DROP: u32 = 0;
const NF_ACCEPT: u32 = 1;

/// Elements a message: an attribute is no longer than 64 KiB.
const ELEMENTS: usize = 500;

/// The addresses of one version of IP, in a header and in a set.
struct Version {
    set: &'static str,
    id: u32,
    /// NFPROTO_*.
    protocol: u8,
    bytes: u32,
    /// Offsets of source and destination in the header.
    offsets: [u32; 2],
    /// Number of the type for who lists the set (libnftables: ipv4_addr, ipv6_addr).
    address: u32,
}

const VERSIONS: [Version; 2] = [
    Version { set: "conns4", id: 1, protocol: 2, bytes: 4, offsets: [12, 16], address: 7 },
    Version { set: "conns6", id: 2, protocol: 10, bytes: 16, offsets: [8, 24], address: 8 },
];

/// NFTA_*_TABLE is 1 in all messages.
fn of(table: &str) -> Attributes {
    Attributes::default().text(1, table)
}

/// Add the whole table; `flags` are NFT_TABLE_F_*.
pub fn add_table(batch: &mut Batch, table: &str, flags: u32, connections: &[Ends]) {
    batch.add(Message::NewTable, &of(table).number(2, flags));
    for version in &VERSIONS {
        add_set(batch, table, version, connections);
    }
    for (chain, hook) in HOOKS {
        let hook = Attributes::default().number(1, hook).number(2, 0);
        batch.add(Message::NewChain, &of(table).text(3, chain).nest(4, hook).text(7, "filter"));
        let passes = [meta(3, 8), equals(&MARK.to_ne_bytes()), verdict(NF_ACCEPT)];
        add_rule(batch, table, chain, passes);
        for version in &VERSIONS {
            add_rule(batch, table, chain, dropping(version));
        }
    }
}

pub fn delete_table(batch: &mut Batch, table: &str) {
    batch.add(Message::DeleteTable, &of(table));
}

fn add_rule(
    batch: &mut Batch,
    table: &str,
    chain: &str,
    parts: impl IntoIterator<Item = Attributes>,
) {
    batch.add(Message::NewRule, &of(table).text(2, chain).list(4, parts));
}

fn add_set(batch: &mut Batch, table: &str, version: &Version, connections: &[Ends]) {
    const SERVICE: u32 = 13; // libnftables: inet_service
    let parts = [SERVICE, version.address, SERVICE].into_iter();
    let kind = parts.fold(version.address, |kind, part| kind << 6 | part);
    let key = 2 * (version.bytes + 4);
    let set = of(table).text(2, version.set).number(3, 0).number(4, kind).number(5, key);
    batch.add(Message::NewSet, &set.number(10, version.id));
    let both = connections.iter().flat_map(|ends| [ends.clone(), ends.turned()]);
    let keys: Vec<Attributes> = both
        .filter(|ends| ends.own.0.len() as u32 == version.bytes)
        .map(|ends| Attributes::default().nest(1, value(&key_of(&ends))))
        .collect();
    for keys in keys.chunks(ELEMENTS) {
        let elements = of(table).text(2, version.set).list(3, keys.iter().cloned());
        batch.add(Message::NewElements, &elements.number(4, version.id));
    }
}

/// Source, its port, destination, its port, each from a word of its own on.
fn key_of(ends: &Ends) -> Vec<u8> {
    let end = |(address, port): &(Vec<u8>, u16)| {
        [address.as_slice(), &port.to_be_bytes(), &[0; 2]].concat()
    };
    [end(&ends.own), end(&ends.peer)].concat()
}

fn dropping(version: &Version) -> Vec<Attributes> {
    const TCP: u8 = 6;
    const NETWORK: u32 = 1;
    const TRANSPORT: u32 = 2;
    let Version { bytes, offsets: [source, destination], .. } = *version;
    let words = bytes / 4;
    vec![
        meta(15, 8),
        equals(&[version.protocol]),
        meta(16, 8),
        equals(&[TCP]),
        payload(8, NETWORK, source, bytes),
        payload(8 + words, TRANSPORT, 0, 2),
        payload(9 + words, NETWORK, destination, bytes),
        payload(9 + 2 * words, TRANSPORT, 2, 2),
        expression(
            "lookup",
            Attributes::default().text(1, version.set).number(2, 8).number(4, version.id),
        ),
        verdict(NF_DROP),
    ]
}

fn expression(name: &str, data: Attributes) -> Attributes {
    Attributes::default().text(1, name).nest(2, data)
}

/// Registers of 4 bytes count from 8 (NFT_REG32_00). `key`: NFT_META_*.
fn meta(key: u32, register: u32) -> Attributes {
    expression("meta", Attributes::default().number(1, register).number(2, key))
}

fn payload(register: u32, header: u32, offset: u32, length: u32) -> Attributes {
    let data = Attributes::default().number(1, register).number(2, header);
    expression("payload", data.number(3, offset).number(4, length))
}

/// Register 8 is `bytes`.
fn equals(bytes: &[u8]) -> Attributes {
    expression("cmp", Attributes::default().number(1, 8).number(2, 0).nest(3, value(bytes)))
}

fn value(bytes: &[u8]) -> Attributes {
    Attributes::default().bytes(1, bytes)
}

fn verdict(code: u32) -> Attributes {
    let code = Attributes::default().number(1, code);
    let data = Attributes::default().nest(2, code);
    expression("immediate", Attributes::default().number(1, 0).nest(2, data))
}
