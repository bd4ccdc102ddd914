//! Keeps the network from the connections of a tree that is to be killed, until a restore has them
//! again: what comes in would be acknowledged and lost, or answered with a RST. It is so where both
//! ends are in the tree, too: a restore makes them one after the other.
//!
//! The table is that of CRIU's `--network-lock nftables`, which its restore deletes. Until the tree is
//! dead it is ours (NFT_TABLE_F_OWNER, Linux 5.12): should we be killed, the kernel deletes it.

use super::netlink::{self, Batch};
use super::{rules, Connection, Ends};
use crate::error::{Code, Error, Result};
use nix::errno::Errno;
use std::os::fd::OwnedFd;

const NFT_TABLE_F_OWNER: u32 = 2;

/// Dropping it unlocks.
pub struct Lock {
    /// With its end the table goes.
    netlink: OwnedFd,
    table: String,
    connections: Vec<Ends>,
}

impl Lock {
    /// None where there is nothing to lock. Errors: `Kernel`, `Permission`.
    pub fn of(table: &str, connections: &[Connection]) -> Result<Option<Self>> {
        if connections.is_empty() {
            return Ok(None);
        }
        let connections: Vec<Ends> = connections.iter().map(|one| one.ends.clone()).collect();
        let netlink = netlink::open().map_err(failed)?;
        let mut batch = Batch::new();
        rules::add_table(&mut batch, table, NFT_TABLE_F_OWNER, &connections);
        batch.commit(&netlink).map_err(failed)?;
        Ok(Some(Lock { netlink, table: table.to_owned(), connections }))
    }

    /// Have it outlive us.
    pub fn persist(self) -> Result<()> {
        let mut batch = Batch::new();
        rules::delete_table(&mut batch, &self.table);
        rules::add_table(&mut batch, &self.table, 0, &self.connections);
        batch.commit(&self.netlink).map_err(failed)
    }
}

fn failed(errno: Errno) -> Error {
    let code = if errno == Errno::EPERM { Code::Permission } else { Code::Kernel };
    let why = errno.desc();
    let message = format!("locking TCP connections (nf_tables): {why}");
    let mut error = Error::new(code, message).with_remedy(
        "keep their packets away yourself and say --network-lock skip, or let the tree run (-R)",
    );
    error.errno = Some(errno as i32);
    error
}
