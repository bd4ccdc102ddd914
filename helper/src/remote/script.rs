//! The system calls that a thread is to make, settled before it makes the first, and what came of
//! them. So threads can make their calls side by side.

use super::child::Child;
use crate::error::{Error, Result};
use nix::errno::Errno;
use std::os::fd::OwnedFd;

/// Fills the room before calls are made: no signal action, time or address is all of these.
pub(super) const BLANK: u8 = 0xdb;

/// One call of a script.
#[derive(Clone, Copy)]
pub struct Asked(usize);

/// Memory in the target that calls of a script write to.
#[derive(Clone, Copy)]
pub struct Room {
    offset: usize,
    length: usize,
}

impl Room {
    /// Some bytes of it.
    pub fn part(self, offset: usize, length: usize) -> Room {
        Room { offset: self.offset + offset, length }
    }
}

#[derive(Clone, Copy)]
pub enum Arg {
    Is(u64),
    /// The address of the room.
    At(Room),
}

struct Call {
    what: &'static str,
    nr: i64,
    args: [Arg; 6],
    may_fail: bool,
    makes: Option<Makes>,
}

/// What a call makes that is for us alone.
#[derive(Clone, Copy)]
pub(super) enum Makes {
    /// A descriptor of this number, which is then fetched.
    Descriptor(i32),
    /// A child, by clone(2), whose second argument is its stack.
    Child,
}

#[derive(Default)]
pub struct Script {
    calls: Vec<Call>,
    room: usize,
}

impl Script {
    /// Set room aside for what a call writes.
    pub fn room(&mut self, length: usize) -> Room {
        let offset = self.room;
        self.room += length.next_multiple_of(8);
        Room { offset, length }
    }

    /// Add a call that has to succeed. `what` completes "pid N: ... : why it failed".
    pub fn call<const N: usize>(&mut self, what: &'static str, nr: i64, args: [Arg; N]) -> Asked {
        let mut all = [Arg::Is(0); 6];
        all[..N].copy_from_slice(&args);
        self.calls.push(Call { what, nr, args: all, may_fail: false, makes: None });
        Asked(self.calls.len() - 1)
    }

    /// Add a call that this kernel may not know.
    pub fn try_call<const N: usize>(&mut self, nr: i64, args: [Arg; N]) -> Asked {
        let asked = self.call("", nr, args);
        self.calls[asked.0].may_fail = true;
        asked
    }

    /// Add a call that makes a descriptor, which comes to us and is closed in the target at once.
    /// It will have the number `fd`; a thread whose tracer dies in between closes that itself.
    pub fn fetch<const N: usize>(
        &mut self,
        what: &'static str,
        nr: i64,
        args: [u64; N],
        fd: i32,
    ) -> Asked {
        let asked = self.call(what, nr, args.map(Arg::Is));
        self.calls[asked.0].makes = Some(Makes::Descriptor(fd));
        asked
    }

    /// Add a call that makes a child with a copy of the address space, which stays stopped and is
    /// ours (child.rs). Its parent is told nothing of it by a signal.
    pub fn fork(&mut self, what: &'static str) -> Asked {
        let asked = self.call(what, libc::SYS_clone, [Arg::Is(libc::CLONE_FILES as u64)]);
        self.calls[asked.0].makes = Some(Makes::Child);
        asked
    }

    /// What a call makes, if it does.
    pub(super) fn makes(&self, n: usize) -> Option<Makes> {
        self.calls[n].makes
    }

    pub(super) fn forks(&self) -> bool {
        self.calls.iter().any(|call| matches!(call.makes, Some(Makes::Child)))
    }

    /// How many calls there are.
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// The calls whose answer is what they write: what they return need not be seen.
    pub(super) fn writing(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.calls.len()).filter(|&n| self.room_of(n).is_some())
    }

    /// Has a call written nothing into the room, which was filled with BLANK?
    pub(super) fn left_blank(&self, n: usize, bytes: &[u8]) -> bool {
        let part = |room: Room| &bytes[room.offset..][..room.length];
        self.room_of(n).is_some_and(|room| part(room).iter().all(|&byte| byte == BLANK))
    }

    /// What a call writes to, unless it may fail.
    fn room_of(&self, n: usize) -> Option<Room> {
        let call = &self.calls[n];
        let room = |arg: &Arg| match *arg {
            Arg::At(room) => Some(room),
            Arg::Is(_) => None,
        };
        call.args.iter().find_map(room).filter(|_| !call.may_fail)
    }

    /// Bytes of room that all calls need.
    pub(super) fn room_size(&self) -> u64 {
        self.room as u64
    }

    /// Number and arguments of a call, its room being at `room`.
    pub(super) fn nth(&self, n: usize, room: u64) -> (u64, [u64; 6]) {
        let call = &self.calls[n];
        let value = |arg| match arg {
            Arg::Is(value) => value,
            Arg::At(place) => room + place.offset as u64,
        };
        (call.nr as u64, call.args.map(value))
    }

    /// Errors: of the first call that had to succeed and did not.
    pub(super) fn check(&self, tid: i32, returned: &[i64]) -> Result<()> {
        for (call, &returned) in self.calls.iter().zip(returned) {
            if let (Err(errno), false) = (value(returned), call.may_fail) {
                return Err(Error::of_task(tid, call.what, errno));
            }
        }
        Ok(())
    }
}

/// What came of a script.
pub struct Results {
    /// As the kernel returned them, in the order of the calls.
    pub(super) returned: Vec<i64>,
    /// All of the room.
    pub(super) bytes: Vec<u8>,
    /// What was fetched, in the order of the calls.
    pub(super) fetched: Vec<OwnedFd>,
    /// Children that were made, in the order of the calls.
    pub(super) children: Vec<Child>,
}

impl Results {
    /// What a call returned; 0 if it was allowed to fail and did.
    pub fn value(&self, asked: Asked) -> u64 {
        value(self.returned[asked.0]).unwrap_or(0)
    }

    /// What was fetched, in the order of the calls.
    pub fn fetched(self) -> Vec<OwnedFd> {
        self.fetched
    }

    /// Children that were made, in the order of the calls.
    pub fn children(self) -> Vec<Child> {
        self.children
    }

    /// What was written there.
    pub fn bytes(&self, room: Room) -> &[u8] {
        &self.bytes[room.offset..][..room.length]
    }

    /// The first of the words written there.
    pub fn word(&self, room: Room) -> u64 {
        self.bytes(room).first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    }

    /// The int written there.
    pub fn int(&self, room: Room) -> i32 {
        self.bytes(room).first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes))
    }
}

fn value(returned: i64) -> nix::Result<u64> {
    match returned {
        -4095..0 => Err(Errno::from_raw(-returned as i32)),
        _ => Ok(returned as u64),
    }
}
