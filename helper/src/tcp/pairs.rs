//! Which connections have both ends in the tree.

use super::{Connection, Ends};
use std::collections::HashMap;

/// Indices of both ends, each pair once.
pub struct Pairs(pub Vec<(usize, usize)>);

impl Pairs {
    pub fn find(connections: &[Connection]) -> Self {
        let index: HashMap<&Ends, usize> =
            connections.iter().enumerate().map(|(at, connection)| (&connection.ends, at)).collect();
        let pair = |(at, connection): (usize, &Connection)| {
            let other = *index.get(&connection.ends.turned())?;
            (at < other).then_some((at, other))
        };
        Pairs(connections.iter().enumerate().filter_map(pair).collect())
    }

    /// Whether both ends of a connection are in the tree.
    pub fn has(&self, at: usize) -> bool {
        self.0.iter().any(|&(a, b)| a == at || b == at)
    }
}
