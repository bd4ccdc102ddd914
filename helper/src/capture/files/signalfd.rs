//! signalfd(2): which signals it reads.

use super::descriptor::Descriptor;
use crate::error::Result;
use crate::value::Hex;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Signalfd {
    /// Bit n-1 is signal n.
    pub sigmask: Hex,
}

pub fn capture(d: &Descriptor) -> Result<Signalfd> {
    Ok(Signalfd { sigmask: Hex(d.read(d.info.hex("sigmask"))?) })
}
