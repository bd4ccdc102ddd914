//! eventfd(2): its fdinfo lines tell all of it.

use super::descriptor::Descriptor;
use crate::error::Result;
use crate::value::Hex;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Eventfd {
    pub count: Hex,
    pub semaphore: bool,
}

/// The kernel prints the count in hexadecimal, fs/eventfd.c.
pub fn capture(d: &Descriptor) -> Result<Eventfd> {
    let count = Hex(d.read(d.info.hex("eventfd-count"))?);
    let semaphore = d.read(d.info.decimal::<u32>("eventfd-semaphore"))? != 0;
    Ok(Eventfd { count, semaphore })
}
