//! The frame of a signal handler, as the kernel would lay it below the red zone: what rt_sigreturn
//! needs to bring a thread back to where it was. arch/x86/include/uapi/asm/sigcontext.h and
//! ucontext.h; sigreturn(2).

use crate::capture::regs::Context;
use crate::capture::xsave;
use libc::user_regs_struct;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// pretcode, struct ucontext, siginfo_t.
const SIGNAL_FRAME: u64 = 8 + 304 + 128;

/// Alignment of the XSAVE area.
const XSAVE_ALIGN: u64 = 64;

/// Alignment of a frame.
pub const FRAME_ALIGN: u64 = 64;

/// The frame has the XSAVE area; SS as saved counts, valid or not.
const UC_FLAGS: u64 = 1 | 2 | 4; // UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS

/// No flags that sigaltstack(2) takes: rt_sigreturn then leaves the alternate stack as it is.
const KEEP_ALTSTACK: u64 = 0x7fff_ffff;

const FP_XSTATE_MAGIC1: u32 = 0x4650_5853;
const FP_XSTATE_MAGIC2: u32 = 0x4650_5845;

/// Where the kernel describes the area, in bytes of it that the hardware leaves alone.
const SW_RESERVED: std::ops::Range<usize> = 464..512;

/// What the kernel returns to itself when a system call is interrupted: include/linux/errno.h.
const ERESTARTSYS: i64 = -512;
const ERESTARTNOINTR: i64 = -513;
const ERESTARTNOHAND: i64 = -514;
const ERESTART_RESTARTBLOCK: i64 = -516;

/// The frame of a thread.
pub struct Frame<'a>(&'a Context);

impl<'a> Frame<'a> {
    pub fn new(context: &'a Context) -> Self {
        Frame(context)
    }

    /// Bytes that it takes, wherever it lies.
    pub fn size(&self) -> u64 {
        SIGNAL_FRAME + XSAVE_ALIGN + xsave_of(self.0).1 as u64 + 4
    }

    /// Its bytes, to lie at `at`. `restorer` is the address of code that calls rt_sigreturn.
    pub fn bytes(&self, at: u64, restorer: u64) -> Vec<u8> {
        let xsave_at = xsave_at(at);
        let mut bytes = ucontext(restorer, &resumed(self.0), self.0.sigmask, xsave_at);
        bytes.resize((xsave_at - at) as usize, 0);
        bytes.extend(xsave_area(self.0));
        bytes
    }
}

/// Bytes of a step, which has neither a siginfo nor vector registers of its own.
pub const STEP: u64 = 320;

/// The frame of a step on the way to the thread's own, which lies at `home`: from here it goes on
/// with `regs`, and signals blocked by `mask`.
pub fn step(restorer: u64, regs: &user_regs_struct, mask: u64, home: u64) -> Vec<u8> {
    let mut bytes = ucontext(restorer, regs, mask, xsave_at(home));
    bytes.resize(STEP as usize, 0);
    bytes
}

/// Where the vector registers of the frame at `at` lie.
fn xsave_at(at: u64) -> u64 {
    (at + SIGNAL_FRAME).next_multiple_of(XSAVE_ALIGN)
}

/// The part of a frame that rt_sigreturn reads: pretcode and struct ucontext.
fn ucontext(restorer: u64, r: &user_regs_struct, sigmask: u64, xsave_at: u64) -> Vec<u8> {
    let segments = r.cs | r.gs << 16 | r.fs << 32 | r.ss << 48;
    let mut words = vec![restorer, UC_FLAGS, 0, 0, KEEP_ALTSTACK, 0];
    words.extend([r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15]);
    words.extend([r.rdi, r.rsi, r.rbp, r.rbx, r.rdx, r.rax, r.rcx, r.rsp, r.rip, r.eflags]);
    words.extend([segments, 0, 0, 0, 0, xsave_at]); // err, trapno, oldmask, cr2
    words.extend([0; 8]);
    words.push(sigmask);
    words.into_iter().flat_map(u64::to_ne_bytes).collect()
}

/// Has a thread with these registers yet to heal? Then its tracer was killed a moment ago, it has
/// not got a CPU since, and its frame lies where the stack pointer says: if not yet at the `ret`,
/// one word further on.
pub fn is_needed(regs: &user_regs_struct, memory: &File) -> bool {
    let lies = |at: u64| {
        let mut bytes = [0; 48];
        let words = [UC_FLAGS, 0, 0, KEEP_ALTSTACK, 0].map(u64::to_ne_bytes);
        at % FRAME_ALIGN == 0
            && memory.read_exact_at(&mut bytes, at).is_ok()
            && bytes[8..] == *words.as_flattened()
    };
    lies(regs.rsp) || lies(regs.rsp.wrapping_sub(8))
}

/// Features and size of the thread's XSAVE area.
fn xsave_of(context: &Context) -> (u64, usize) {
    xsave::layout().of_task(xsave::present(&context.xsave.0))
}

/// The area with the kernel's description of it, and the magic number at its end. Its size has to
/// be what the kernel holds of this task, or only x87 and SSE come back: fpu/signal.c.
fn xsave_area(context: &Context) -> Vec<u8> {
    let (features, size) = xsave_of(context);
    let mut area = context.xsave.0.clone();
    area.resize(size, 0);
    let mut described = Vec::from(FP_XSTATE_MAGIC1.to_ne_bytes());
    described.extend((size as u32 + 4).to_ne_bytes());
    described.extend(features.to_ne_bytes());
    described.extend((size as u32).to_ne_bytes());
    described.resize(SW_RESERVED.len(), 0);
    area[SW_RESERVED].copy_from_slice(&described);
    area.extend(FP_XSTATE_MAGIC2.to_ne_bytes());
    area
}

/// Would the thread, let go, restart its system call by restart_syscall(2)? Then how it is to be
/// restarted stands in its restart_block, which rt_sigreturn forgets. The second case: it has been
/// pointed at that call, and not made it yet.
pub fn restarts(regs: &user_regs_struct) -> bool {
    let result = regs.rax as i64;
    regs.orig_rax as i64 >= 0
        && (result == ERESTART_RESTARTBLOCK || result == libc::SYS_restart_syscall)
}

/// The registers with which the thread goes on: as the kernel would set them for a system call
/// that was interrupted without a handler, except that one which restarts by restart_syscall(2)
/// ends with EINTR, since rt_sigreturn forgets how; and outside of a restartable sequence.
fn resumed(context: &Context) -> user_regs_struct {
    let mut regs = context.regs.0;
    if regs.orig_rax as i64 >= 0 {
        match regs.rax as i64 {
            ERESTARTSYS | ERESTARTNOINTR | ERESTARTNOHAND => {
                regs.rip -= 2;
                regs.rax = regs.orig_rax;
            }
            ERESTART_RESTARTBLOCK => regs.rax = -i64::from(libc::EINTR) as u64,
            _ => {}
        }
    }
    if let Some(sequence) = &context.rseq_cs {
        regs.rip = sequence.resumes_at(regs.rip);
    }
    regs
}
