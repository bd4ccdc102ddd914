//! pidfd_open(2): which process it is of.

use super::descriptor::Descriptor;
use crate::error::Result;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Pidfd {
    /// -1: it was waited for; 0: of another pid namespace.
    pub pid: i32,
}

pub fn capture(d: &Descriptor) -> Result<Pidfd> {
    Ok(Pidfd { pid: d.read(d.info.decimal("Pid"))? })
}
