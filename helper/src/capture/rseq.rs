//! Restartable sequences: the area a thread registered, and the sequence it is in, if any.
//! rseq(2); include/uapi/linux/rseq.h.

use crate::error::{Error, Result};
use crate::sys;
use crate::value::Hex;
use nix::errno::Errno;
use serde::Serialize;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Offset of `rseq_cs` in struct rseq.
const RSEQ_CS: u64 = 8;

#[derive(Clone, Debug, Serialize)]
pub struct Rseq {
    pub ptr: Hex,
    size: u32,
    signature: u32,
    flags: u32,
    /// The `rseq_cs` field: address of the sequence's descriptor, or 0.
    pub cs: Hex,
}

/// struct rseq_cs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sequence {
    start: Hex,
    post_commit_offset: Hex,
    abort: Hex,
    flags: u32,
}

/// The registered area of a stopped thread, and the sequence that its field points to. `memory` is
/// its /proc/PID/mem. Kernels before 5.13 do not tell: None, as if there were none.
pub fn capture(tid: i32, memory: &File) -> Result<(Option<Rseq>, Option<Sequence>)> {
    let config = match sys::ptrace_rseq(tid) {
        Ok(config) if config.rseq_abi_pointer != 0 => config,
        Ok(_) | Err(Errno::EIO) => return Ok((None, None)),
        Err(errno) => return Err(Error::of_task(tid, "asking for its rseq", errno)),
    };
    let ptr = config.rseq_abi_pointer;
    // An area that cannot be read is one that the kernel cannot use either.
    let cs = words::<1>(memory, ptr + RSEQ_CS).map_or(0, |[cs]| cs);
    let rseq = Rseq {
        ptr: Hex(ptr),
        size: config.rseq_abi_size,
        signature: config.signature,
        flags: config.flags,
        cs: Hex(cs),
    };
    Ok((Some(rseq), sequence(memory, cs)))
}

fn sequence(memory: &File, at: u64) -> Option<Sequence> {
    if at == 0 {
        return None;
    }
    let [version_and_flags, start, offset, abort] = words(memory, at)?;
    Some(Sequence {
        start: Hex(start),
        post_commit_offset: Hex(offset),
        abort: Hex(abort),
        flags: (version_and_flags >> 32) as u32,
    })
}

impl Sequence {
    /// Where a thread at `ip` goes on when it was interrupted: at the abort handler if it was
    /// inside of the sequence.
    pub fn resumes_at(&self, ip: u64) -> u64 {
        let inside = ip.wrapping_sub(self.start.0) < self.post_commit_offset.0;
        if inside {
            self.abort.0
        } else {
            ip
        }
    }
}

impl Rseq {
    /// All of the area, in which the kernel notes where the thread runs.
    pub fn area(&self, memory: &File) -> std::io::Result<Vec<u8>> {
        let mut area = vec![0; self.size as usize];
        memory.read_exact_at(&mut area, self.ptr.0)?;
        Ok(area)
    }

    /// Put the `rseq_cs` field back, which the kernel clears when the thread runs elsewhere.
    pub fn put_back(&self, memory: &File) -> std::io::Result<()> {
        memory.write_all_at(&self.cs.0.to_ne_bytes(), self.ptr.0 + RSEQ_CS)
    }
}

fn words<const N: usize>(memory: &File, at: u64) -> Option<[u64; N]> {
    let mut words = [0; N];
    for (i, word) in words.iter_mut().enumerate() {
        let mut bytes = [0; 8];
        memory.read_exact_at(&mut bytes, at + 8 * i as u64).ok()?;
        *word = u64::from_ne_bytes(bytes);
    }
    Some(words)
}
