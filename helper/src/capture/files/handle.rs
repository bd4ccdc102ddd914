//! File handles: how the kernel tells which inode is watched, where a restore wants a name.
//!
//! Names are looked for once the tree runs: until a restore a file may be renamed at any time, so that
//! it is worth no pause. name_to_handle_at(2); it takes CAP_DAC_READ_SEARCH.

use super::fact::{device, File, Inode, Kind};
use super::fsnotify::{MarkOf, Watched};
use super::proc::{link_of, stat_of};
use crate::sys;
use crate::value::Bytes;
use nix::fcntl::{open, OFlag};
use nix::sys::stat::{lstat, Mode};
use serde::Serialize;
use std::collections::HashMap;
use std::fs::read_to_string;
use std::os::fd::{AsFd, OwnedFd};

/// struct file_handle.
#[derive(Debug, PartialEq, Serialize)]
pub struct Handle {
    #[serde(rename = "type")]
    pub kind: i32,
    pub bytes: Bytes,
}

/// Finds names for what inotify and fanotify descriptors watch, where there are any.
pub fn find_names(files: &mut [File]) {
    let mut mounts = None;
    let mut find = |watched: &mut Watched| {
        watched.path = mounts.get_or_insert_with(Mounts::list).name_of(watched);
    };
    for file in files {
        match &mut file.kind {
            Kind::Inotify(inotify) => {
                inotify.watches.iter_mut().for_each(|watch| find(&mut watch.watched));
            }
            Kind::Fanotify(fanotify) => {
                for mark in &mut fanotify.marks {
                    if let MarkOf::Inode(watched) = &mut mark.of {
                        find(watched);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Where our mount namespace, which is the tree's, has each file system.
struct Mounts {
    points: HashMap<u64, Vec<String>>,
    opened: HashMap<u64, Vec<OwnedFd>>,
}

impl Mounts {
    fn list() -> Self {
        let mut points: HashMap<u64, Vec<String>> = HashMap::new();
        let text = read_to_string("/proc/self/mountinfo").unwrap_or_default();
        for (dev, point) in text.lines().filter_map(mount) {
            points.entry(dev).or_default().push(point);
        }
        Mounts { points, opened: HashMap::new() }
    }

    /// A name that leads to the very inode.
    fn name_of(&mut self, watched: &Watched) -> Option<String> {
        let handle = watched.handle.as_ref()?;
        let points = self.points.get(&watched.dev)?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let reach = |point: &String| open(point.as_str(), flags, Mode::empty()).ok();
        let opened = self.opened.entry(watched.dev);
        let opened = opened.or_insert_with(|| points.iter().filter_map(reach).collect());
        opened.iter().find_map(|mount| {
            let file = sys::open_by_handle(mount.as_fd(), handle.kind, &handle.bytes.0).ok()?;
            let name = link_of(file.as_fd()).ok()?;
            let inode = Inode::new(&stat_of(file.as_fd()).ok()?);
            let found = lstat(name.as_str()).ok()?;
            ((found.st_dev, found.st_ino) == (inode.dev, inode.ino.0)).then_some(name)
        })
    }
}

/// Device and mount point of a line of mountinfo, proc_pid_mountinfo(5).
fn mount(line: &str) -> Option<(u64, String)> {
    let mut words = line.split(' ');
    let (major, minor) = words.nth(2)?.split_once(':')?;
    let dev = device(major.parse().ok()?, minor.parse().ok()?);
    Some((dev, unescaped(words.nth(1)?)))
}

/// Spaces and their like are shown as three octal digits behind a backslash.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.extend(code.map(char::from));
        plain.push_str(part.get(3..).unwrap_or_default());
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_mountinfo() {
        let line = r"36 35 98:3 /mnt1 /a\040b\011c rw,noatime master:1 - ext3 /dev/root rw";
        assert_eq!(mount(line), Some((device(98, 3), "/a b\tc".to_owned())));
        assert_eq!(mount("36 35 98"), None);
    }
}
