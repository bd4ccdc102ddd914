//! inotify(7) and fanotify(7): what is watched. Events that wait cannot be looked at without taking
//! them, so that only their number of bytes is told.

use super::descriptor::Descriptor;
use super::fact::kernel_device;
use super::handle::Handle;
use crate::error::Result;
use crate::sys::{ioctl_int, IntIoctl};
use crate::value::{Bytes, Hex};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Inotify {
    /// Bytes of events.
    pub unread: i32,
    pub watches: Vec<Watch>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Watch {
    pub wd: u32,
    /// IN_*
    pub mask: u32,
    #[serde(flatten)]
    pub watched: Watched,
}

#[derive(Debug, Serialize)]
pub struct Fanotify {
    pub unread: i32,
    /// FAN_* of fanotify_init(2), and O_* of the descriptors that events come with.
    pub init_flags: u32,
    pub event_flags: u32,
    pub marks: Vec<Mark>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Mark {
    /// FAN_MARK_*
    pub mark_flags: u32,
    pub mask: u64,
    pub ignored_mask: u64,
    #[serde(flatten)]
    pub of: MarkOf,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(tag = "of", rename_all = "lowercase")]
pub enum MarkOf {
    Inode(Watched),
    Mount {
        mnt_id: u32,
    },
    /// A whole file system, or whatever else.
    Other {},
}

/// An inode, which has no name of its own.
#[derive(Debug, PartialEq, Serialize)]
pub struct Watched {
    pub dev: u64,
    pub ino: Hex,
    /// Absent: its file system has no handles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<Handle>,
    /// A name that leads to it, found once the tree runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// `inotify wd:1 ino:2a sdev:fe00000 mask:100 ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:..`,
/// fs/notify/fdinfo.c
pub fn inotify(d: &Descriptor) -> Result<Inotify> {
    let parse = |line: &str| {
        let words = Words(line);
        let wd = u32::from_str_radix(line.split(' ').next()?, 16).ok()?;
        Some(Watch { wd, mask: words.hex("mask")? as u32, watched: watched(&words)? })
    };
    let watches = d.info.all("inotify wd").map(parse).collect::<Option<_>>();
    Ok(Inotify { unread: unread(d)?, watches: d.read(watches.ok_or("inotify wd"))? })
}

/// `fanotify flags:0 event-flags:0`, and a line a mark, which begins with what is marked.
pub fn fanotify(d: &Descriptor) -> Result<Fanotify> {
    let head = d.info.find("fanotify flags").and_then(|line| {
        let flags = u32::from_str_radix(line.split(' ').next()?, 16).ok()?;
        Some((flags, Words(line).hex("event-flags")? as u32))
    });
    let (init_flags, event_flags) = d.read(head.ok_or("fanotify flags"))?;
    let mut marks = Vec::new();
    for kind in ["ino", "mnt_id", "sdev", "mntns"] {
        for line in d.info.all(&format!("fanotify {kind}")) {
            marks.push(d.read(mark(kind, line).ok_or("fanotify"))?);
        }
    }
    Ok(Fanotify { unread: unread(d)?, init_flags, event_flags, marks })
}

fn mark(kind: &str, line: &str) -> Option<Mark> {
    let line = format!("{kind}:{line}");
    let words = Words(&line);
    let of = match kind {
        "ino" => MarkOf::Inode(watched(&words)?),
        "mnt_id" => MarkOf::Mount { mnt_id: words.hex("mnt_id")? as u32 },
        _ => MarkOf::Other {},
    };
    let (mark_flags, mask) = (words.hex("mflags")? as u32, words.hex("mask")?);
    Some(Mark { mark_flags, mask, ignored_mask: words.hex("ignored_mask")?, of })
}

fn watched(words: &Words) -> Option<Watched> {
    let dev = kernel_device(words.hex("sdev")? as u32);
    let handle = match words.find("f_handle") {
        None => None,
        Some(text) => Some(Handle { kind: words.hex("fhandle-type")? as i32, bytes: bytes(text)? }),
    };
    Some(Watched { dev, ino: Hex(words.hex("ino")?), handle, path: None })
}

fn unread(d: &Descriptor) -> Result<i32> {
    d.told("FIONREAD", ioctl_int(d.dup, IntIoctl::Fionread))
}

fn bytes(text: &str) -> Option<Bytes> {
    let byte = |at: usize| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok();
    (0..text.len() / 2).map(byte).collect::<Option<_>>().map(Bytes)
}

/// `name:value` separated by spaces.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn find(&self, name: &str) -> Option<&'a str> {
        let value = |word: &'a str| word.strip_prefix(name)?.strip_prefix(':');
        self.0.split_whitespace().find_map(value)
    }

    fn hex(&self, name: &str) -> Option<u64> {
        u64::from_str_radix(self.find(name)?, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INODE: &str = "2a sdev:fe00000 mflags:0 mask:8 ignored_mask:0 fhandle-bytes:8 \
                         fhandle-type:1 f_handle:0102030405060708";

    #[test]
    fn marks() {
        let Mark { of: MarkOf::Inode(watched), .. } = mark("ino", INODE).unwrap() else { panic!() };
        let handle = Handle { kind: 1, bytes: Bytes((1..=8).collect()) };
        assert_eq!((watched.dev, watched.ino), (kernel_device(0xfe00000), Hex(0x2a)));
        assert_eq!(watched.handle, Some(handle));
        let mount = mark("mnt_id", "1d mflags:40 mask:0 ignored_mask:20").unwrap();
        assert_eq!((mount.mark_flags, mount.mask, mount.ignored_mask), (0x40, 0, 0x20));
        assert_eq!(mount.of, MarkOf::Mount { mnt_id: 0x1d });
        assert_eq!(mark("sdev", "fe00000 mflags:0 mask:1"), None);
    }

    #[test]
    fn without_a_handle() {
        let line = "ino:2a sdev:fe00000 mask:8";
        assert_eq!(watched(&Words(line)).unwrap().handle, None);
    }
}
