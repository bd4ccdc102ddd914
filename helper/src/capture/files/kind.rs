//! What kind of file a descriptor or a path is: /proc's link and the file type tell, and then the
//! kind's own capture is asked.

use super::descriptor::Descriptor;
use super::fact::{Inode, Kind};
use super::inet::InetSockets;
use super::name::Name;
use super::pipe::Pipes;
use super::proc::Proc;
use super::sockopts::int;
use super::unix::UnixSockets;
use super::{epoll, eventfd, fsnotify, memfd, pidfd, signalfd, timerfd, tty};
use crate::error::Result;
use nix::libc::{
    AF_INET, AF_INET6, AF_UNIX, O_PATH, SOL_SOCKET, SO_DOMAIN, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO,
    S_IFLNK, S_IFREG, S_IFSOCK,
};
use nix::sys::statfs::fstatfs;

/// What the kinds learn about the whole tree.
#[derive(Default)]
pub struct Shared {
    pub pipes: Pipes,
    pub unix: UnixSockets,
    pub inet: InetSockets,
}

impl Shared {
    /// Its kind, and its name where it has one.
    pub fn describe(&mut self, d: &Descriptor, proc: &Proc) -> Result<(Kind, Name)> {
        if let Some(name) = d.link.strip_prefix("anon_inode:") {
            return Ok((anonymous(d, name)?, Name::default()));
        }
        if d.inode.format() == S_IFSOCK && d.link.starts_with("socket:[") {
            return self.socket(d, proc);
        }
        let kind = self.with_type(d)?;
        let named = d.link.starts_with('/') && !matches!(kind, Kind::Memfd(_) | Kind::Other {});
        let name = if named { Name::find(proc, d.link, d.inode)? } else { Name::default() };
        Ok((kind, name))
    }

    /// O_PATH refers to a file and opens nothing: there is nothing to ask of the device or pipe.
    fn with_type(&mut self, d: &Descriptor) -> Result<Kind> {
        let opened = d.info.flags & O_PATH as u32 == 0;
        match d.inode.format() {
            S_IFREG if d.link.starts_with("/memfd:") && opened => {
                let memfd = d.told("F_GET_SEALS", memfd::capture(d.dup, d.link, d.inode))?;
                Ok(memfd.map_or(Kind::Regular, Kind::Memfd))
            }
            S_IFREG if opened && d.told("fstatfs", is_message_queue(d))? => Ok(Kind::Other {}),
            S_IFIFO if opened => {
                let named = !d.link.starts_with("pipe:[");
                let end = self.pipes.capture(d, named)?;
                Ok(if named { Kind::Fifo(end) } else { Kind::Pipe(end) })
            }
            S_IFCHR if opened => {
                Ok(tty::capture(d)?.map_or(Kind::Char, |tty| Kind::Tty(Box::new(tty))))
            }
            _ => Ok(of_path(d.link, d.inode)),
        }
    }

    fn socket(&mut self, d: &Descriptor, proc: &Proc) -> Result<(Kind, Name)> {
        match d.told("SO_DOMAIN", int(d.dup, SOL_SOCKET, SO_DOMAIN))? {
            AF_UNIX => self.unix.capture(d, proc),
            family @ (AF_INET | AF_INET6) => {
                let inet = self.inet.capture(d, family)?;
                Ok((Kind::Inet(Box::new(inet)), Name::default()))
            }
            _ => Ok((Kind::Other {}, Name::default())),
        }
    }
}

/// A POSIX message queue looks like a regular file, mq_overview(7), but its messages are no content.
fn is_message_queue(d: &Descriptor) -> nix::Result<bool> {
    const MQUEUE_MAGIC: i64 = 0x1980_0202; // ipc/mqueue.c
    Ok(fstatfs(d.dup)?.filesystem_type().0 == MQUEUE_MAGIC)
}

fn anonymous(d: &Descriptor, name: &str) -> Result<Kind> {
    Ok(match name {
        "[eventfd]" => Kind::Eventfd(eventfd::capture(d)?),
        "[eventpoll]" => Kind::Epoll(epoll::capture(d)?),
        "[timerfd]" => Kind::Timerfd(timerfd::capture(d)?),
        "[signalfd]" => Kind::Signalfd(signalfd::capture(d)?),
        "[pidfd]" => Kind::Pidfd(pidfd::capture(d)?),
        "inotify" => Kind::Inotify(fsnotify::inotify(d)?),
        "[fanotify]" => Kind::Fanotify(fsnotify::fanotify(d)?),
        _ => Kind::Other {},
    })
}

/// Of a file that is only a path: executed, mapped, cwd, root, or held by O_PATH.
pub fn of_path(link: &str, inode: &Inode) -> Kind {
    if !link.starts_with('/') {
        return Kind::Other {}; // of an internal file system: nsfs "net:[4026531840]", pidfs ...
    }
    match inode.format() {
        S_IFREG => Kind::Regular,
        S_IFDIR => Kind::Directory,
        S_IFCHR => Kind::Char,
        S_IFBLK => Kind::Block,
        S_IFLNK => Kind::Symlink,
        S_IFIFO | S_IFSOCK => Kind::Named,
        _ => Kind::Other {},
    }
}
