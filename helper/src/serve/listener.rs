//! The socket that restores connect to: made under a name of its own and moved into place when it
//! listens, so that whoever finds it can connect, and nobody but its owner.

use super::peer::Peer;
use super::poll::Watched;
use super::server::Server;
use super::tell::Refused;
use crate::error::{Code, Error, Result};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::sys::stat::{umask, Mode};
use nix::unistd::geteuid;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Respite for a machine that has no descriptors or memory for another connection.
const RESPITE: Duration = Duration::from_millis(20);

/// Removes its name when it is dropped, if that is still its own.
pub struct Listener {
    socket: UnixListener,
    /// Holds the folder: names of sockets have 107 bytes, paths of folders may be longer.
    folder: File,
    name: String,
    inode: (u64, u64),
}

impl Listener {
    /// Errors: `WorkDir`: the folder cannot be used, or somebody listens there already.
    pub fn bind(folder: &Path, name: &str) -> Result<Self> {
        let failed = |what: &str, error: io::Error| {
            let message = format!("{}: {what}: {error}", folder.join(name).display());
            Error::new(Code::WorkDir, message).with_object(folder.display().to_string())
        };
        let file = File::open(folder).map_err(|error| failed("opening its folder", error))?;
        let path = place(&file, name);
        if UnixStream::connect(&path).is_ok() {
            let what =
                format!("{}: somebody serves pages there already", folder.join(name).display());
            return Err(Error::new(Code::WorkDir, what).with_remedy("give another work folder"));
        }
        let draft = place(&file, &format!(".{name}.{}", std::process::id()));
        let before = umask(Mode::from_bits_truncate(0o177));
        let bound = UnixListener::bind(&draft);
        umask(before);
        let socket = bound.map_err(|error| failed("listening", error))?;
        let inode = socket
            .set_nonblocking(true)
            .and_then(|()| fs::symlink_metadata(&draft))
            .and_then(|made| fs::rename(&draft, &path).map(|()| inode(&made)))
            .map_err(|error| {
                let _ = fs::remove_file(&draft);
                failed("putting it in place", error)
            })?;
        Ok(Listener { socket, folder: file, name: name.to_owned(), inode })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let path = place(&self.folder, &self.name);
        if fs::symlink_metadata(&path).is_ok_and(|now| inode(&now) == self.inode) {
            let _ = fs::remove_file(path);
        }
    }
}

impl Watched for Listener {
    fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn ready(self: Arc<Self>, server: &Arc<Server>, again: &dyn Fn()) -> bool {
        match self.socket.accept() {
            Ok((stream, _)) => admit(stream, server),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => thread::sleep(RESPITE),
        }
        again();
        true
    }
}

/// Root and our own user may have page data; the socket's mode says so too.
fn admit(stream: UnixStream, server: &Arc<Server>) {
    let refuse = |reason: &str| server.tell(&Refused { reason });
    match getsockopt(&stream, PeerCredentials) {
        Ok(peer) if peer.uid() == 0 || peer.uid() == geteuid().as_raw() => {
            let watched = stream
                .set_nonblocking(true)
                .map_err(|error| error.to_string())
                .and_then(|()| Peer::watch(stream, peer.pid(), server).map_err(|e| e.to_string()));
            if let Err(reason) = watched {
                refuse(&format!(
                    "a connection of process {} cannot be watched: {reason}",
                    peer.pid()
                ));
            }
        }
        Ok(peer) => refuse(&format!("process {} belongs to user {}", peer.pid(), peer.uid())),
        Err(errno) => refuse(&format!("whose connection it is cannot be told: {}", errno.desc())),
    }
}

fn place(folder: &File, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()))
}

fn inode(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}
