//! Registers of a stopped thread: general ones and the XSAVE area.

use super::rseq::{self, Rseq, Sequence};
use super::xsave;
use crate::error::{Code, Error, Result};
use crate::sys;
use crate::value::{Bytes, Hex};
use libc::user_regs_struct;
use nix::sys::ptrace;
use nix::unistd::Pid;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fs::File;

/// The code segment of 64-bit user code. A thread in any other runs 32-bit code.
const USER_CS_64: u64 = 0x33;

/// NT_PRSTATUS, under the names that the kernel has for its fields.
#[derive(Clone, Copy, Debug)]
pub struct Regs(pub user_regs_struct);

impl Serialize for Regs {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let r = &self.0;
        let mut map = serializer.serialize_map(Some(27))?;
        for (name, value) in [
            ("r15", r.r15),
            ("r14", r.r14),
            ("r13", r.r13),
            ("r12", r.r12),
            ("bp", r.rbp),
            ("bx", r.rbx),
            ("r11", r.r11),
            ("r10", r.r10),
            ("r9", r.r9),
            ("r8", r.r8),
            ("ax", r.rax),
            ("cx", r.rcx),
            ("dx", r.rdx),
            ("si", r.rsi),
            ("di", r.rdi),
            ("orig_ax", r.orig_rax),
            ("ip", r.rip),
            ("cs", r.cs),
            ("flags", r.eflags),
            ("sp", r.rsp),
            ("ss", r.ss),
            ("fs_base", r.fs_base),
            ("gs_base", r.gs_base),
            ("ds", r.ds),
            ("es", r.es),
            ("fs", r.fs),
            ("gs", r.gs),
        ] {
            map.serialize_entry(name, &Hex(value))?;
        }
        map.end()
    }
}

/// What a thread was doing when it was stopped: all that it takes to let it go on.
#[derive(Clone, Debug)]
pub struct Context {
    pub regs: Regs,
    /// NT_X86_XSTATE, in the standard format.
    pub xsave: Bytes,
    pub sigmask: u64,
    pub rseq: Option<Rseq>,
    pub rseq_cs: Option<Sequence>,
}

impl Context {
    /// Of a stopped thread; `memory` is its /proc/PID/mem. Errors: `UnsupportedObject` for 32-bit
    /// code, `TargetGone`, `Kernel`.
    pub fn capture(tid: i32, memory: &File) -> Result<Self> {
        let failed = |doing, errno| Error::of_task(tid, doing, errno);
        let regs =
            ptrace::getregs(Pid::from_raw(tid)).map_err(|e| failed("reading its registers", e))?;
        if regs.cs != USER_CS_64 {
            let message = format!("thread {tid} runs 32-bit code, which cannot be dumped");
            return Err(Error::new(Code::UnsupportedObject, message).with_pid(tid));
        }
        let xsave = xsave(tid).map_err(|e| failed("reading its vector registers", e))?;
        let sigmask = sys::ptrace_sigmask(tid).map_err(|e| failed("reading its signal mask", e))?;
        let (rseq, rseq_cs) = rseq::capture(tid, memory)?;
        Ok(Context { regs: Regs(regs), xsave: Bytes(xsave), sigmask, rseq, rseq_cs })
    }
}

/// As long as the area of this task is: with AMX only if it uses that.
fn xsave(tid: i32) -> nix::Result<Vec<u8>> {
    let area = sys::ptrace_xstate(tid, xsave::layout().of_task(0).1)?;
    let (_, size) = xsave::layout().of_task(xsave::present(&area));
    match size > area.len() {
        true => sys::ptrace_xstate(tid, size),
        false => Ok(area),
    }
}
