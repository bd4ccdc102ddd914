//! Dead memory of the target in which remote calls lay their frames and have their results written.
//!
//! The memory has to be dead, not just put back: if we are killed it is not put back. What lies
//! well below the main thread's stack pointer, on the stack that the kernel made for it, is dead
//! by definition, and serves all threads of the process. A goroutine's or coroutine's own stack
//! would not do: a frame with AVX-512 is 3.4 KiB, with AMX 11.5 KiB, and beyond so small a stack
//! lies somebody else's memory.
//!
//! In a process of one thread "well below" is below the red zone, where the kernel lays frames
//! too. Where there are more threads, the main thread runs again the moment that we die, perhaps
//! earlier than the one which has to heal: 64 KiB are left to it. Of the 132 KiB that such a stack
//! has from the start that leaves room for a dozen threads at a time.

use super::frame::{Frame, FRAME_ALIGN};
use super::gadget::{Gadgets, Place};
use super::script::BLANK;
use super::Job;
use crate::error::{Code, Error, Result};
use crate::proc;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// What one thread may need: a frame with AMX, those of a chain, and room for results.
const LARGEST: u64 = 20 << 10;

/// System V ABI: 128 bytes below the stack pointer are in use.
const RED_ZONE: u64 = 128;
/// What the main thread of several is left with.
const HEADROOM: u64 = 64 << 10;

/// Of one address space.
pub struct Site<'a> {
    pub(super) pid: i32,
    pub(super) syscall: u64,
    pub(super) restorer: u64,
    /// /proc/PID/mem. Unlike process_vm_writev(2), writing there makes a stack grow.
    pub(super) memory: &'a File,
    /// The area ends here, and grows downward.
    top: u64,
    /// Where the mapping begins.
    bottom: u64,
    /// What was in [top - saved.len(), top).
    saved: Vec<u8>,
    /// Threads that may need their frames: as long as there are any, nothing may be put back.
    pub(super) busy: usize,
}

/// Where a thread has its frame, those of a chain, and its room for results.
pub struct Laid {
    pub frame: u64,
    pub steps: u64,
    pub room: u64,
}

impl<'a> Site<'a> {
    /// Choose the memory in the address space of a stopped process; it is the process that the
    /// kernel made the [stack] for, and `main_sp` its leader's stack pointer. `alone`: nobody but
    /// the leader uses this address space.
    pub fn choose(
        pid: i32,
        main_sp: u64,
        alone: bool,
        memory: &'a File,
        gadgets: &mut Gadgets,
    ) -> Result<Self> {
        let mut place = gadgets.place(pid, memory)?;
        if !place.stack.contains(&main_sp) {
            place = gadgets.find(pid)?; // the stack has grown since
        }
        let top = dead_below(&place, main_sp, alone, memory).ok_or_else(|| {
            let message = format!("pid {pid}: no memory below its main thread's stack is free");
            Error::new(Code::UnsupportedObject, message).with_pid(pid)
        })?;
        let Place { syscall, restorer, stack } = place;
        let (bottom, saved, busy) = (stack.start, Vec::new(), 0);
        Ok(Site { pid, syscall, restorer, memory, top, bottom, saved, busy })
    }

    /// The jobs after the first `done` that there is room for at a time: one at least, if need be
    /// by making the stack grow.
    pub(super) fn next<'j>(&self, jobs: &'j [Job<'j>], done: usize) -> &'j [Job<'j>] {
        let left = &jobs[done..];
        let mut room = self.top.saturating_sub(self.bottom);
        let fits = |job: &&Job| {
            let size = Frame::new(job.context).size()
                + FRAME_ALIGN
                + job.steps_size()
                + job.script.room_size();
            room.checked_sub(size).inspect(|&less| room = less).is_some()
        };
        let fitting = left.iter().take_while(fits).count();
        &left[..fitting.max(1).min(left.len())]
    }

    /// Lay the threads' frames and make their rooms blank, once what was there is saved.
    pub(super) fn lay(&mut self, jobs: &[Job]) -> Result<Vec<Laid>> {
        let mut low = self.top;
        let places = jobs.iter().map(|job| {
            let frame = (low - Frame::new(job.context).size()) & !(FRAME_ALIGN - 1);
            let steps = frame - job.steps_size();
            let room = (steps - job.script.room_size()) & !7;
            low = room;
            Laid { frame, steps, room }
        });
        let places: Vec<Laid> = places.collect();
        let pid = self.pid;
        let failed = |e| Error::of_task(pid, "reading below its stack", proc::errno(&e));
        self.save_from(low).map_err(failed)?;
        for (job, place) in jobs.iter().zip(&places) {
            let mut bytes = vec![BLANK; (place.frame - place.room) as usize];
            bytes.extend(Frame::new(job.context).bytes(place.frame, self.restorer));
            self.write(&bytes, place.room)?;
        }
        Ok(places)
    }

    pub(super) fn write(&self, bytes: &[u8], at: u64) -> Result<()> {
        let failed = |e| Error::of_task(self.pid, "writing below its stack", proc::errno(&e));
        self.memory.write_all_at(bytes, at).map_err(failed)
    }

    fn save_from(&mut self, low: u64) -> std::io::Result<()> {
        let lowest = self.lowest();
        if low < lowest {
            let mut more = vec![0; (lowest - low) as usize];
            self.memory.read_exact_at(&mut more, low)?;
            more.append(&mut self.saved);
            self.saved = more;
        }
        Ok(())
    }

    /// Put back in a child what was there before its parent's frames were laid.
    pub(super) fn put_back_in(&self, child: &File) -> std::io::Result<()> {
        child.write_all_at(&self.saved, self.lowest())
    }

    fn lowest(&self) -> u64 {
        self.top - self.saved.len() as u64
    }

    pub(super) fn read(&self, at: u64, length: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length as usize];
        let result = self.memory.read_exact_at(&mut bytes, at);
        result.map_err(|e| Error::of_task(self.pid, "reading its memory", proc::errno(&e)))?;
        Ok(bytes)
    }
}

impl Drop for Site<'_> {
    /// Put the memory back, unless a thread has to heal from it.
    fn drop(&mut self) {
        if self.busy == 0 {
            let _ = self.memory.write_all_at(&self.saved, self.lowest());
        }
    }
}

/// The upper end of dead memory, LARGEST bytes at least.
fn dead_below(place: &Place, main_sp: u64, alone: bool, memory: &File) -> Option<u64> {
    if place.stack.contains(&main_sp) {
        return main_sp.checked_sub(if alone { RED_ZONE } else { HEADROOM });
    }
    // The main thread is on a stack of its program's making: a coroutine's, a goroutine's. The low
    // end of the kernel's has not been reached as long as it is blank.
    let mut low = vec![0; LARGEST as usize];
    memory.read_exact_at(&mut low, place.stack.start).ok()?;
    low.iter().all(|&byte| byte == 0).then_some(place.stack.start + LARGEST)
}
