//! Where an address space has its program, heap, stack, arguments and auxiliary vector. prctl(2)
//! PR_SET_MM tells what each is.

use super::files::FileId;
use super::stat::Stat;
use crate::error::Result;
use crate::proc;
use crate::value::{Bytes, Hex};
use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
pub struct Mm {
    start_code: Hex,
    end_code: Hex,
    start_data: Hex,
    end_data: Hex,
    start_stack: Hex,
    start_brk: Hex,
    brk: Hex,
    arg_start: Hex,
    arg_end: Hex,
    env_start: Hex,
    env_end: Hex,
    auxv: Bytes,
    exe: FileId,
}

impl Mm {
    /// `brk`: as the process itself was told, since /proc has it not.
    pub fn capture(pid: i32, stat: &Stat, brk: u64, exe: FileId) -> Result<Self> {
        let field = |n| stat.number(n).map(Hex);
        Ok(Mm {
            start_code: field(26)?,
            end_code: field(27)?,
            start_stack: field(28)?,
            start_data: field(45)?,
            end_data: field(46)?,
            start_brk: field(47)?,
            brk: Hex(brk),
            arg_start: field(48)?,
            arg_end: field(49)?,
            env_start: field(50)?,
            env_end: field(51)?,
            auxv: Bytes(proc::bytes(pid, "auxv")?),
            exe,
        })
    }
}
