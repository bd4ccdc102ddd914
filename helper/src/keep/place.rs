//! Where a keeper listens: /run/ckpt/track-PID-START.sock, for root and its owner only.

use super::Key;
use crate::error::{Code, Error, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{
    bind, connect, listen, setsockopt, socket, sockopt, AddressFamily, Backlog, SockFlag, SockType,
    UnixAddr,
};
use nix::sys::stat::{umask, Mode};
use nix::sys::time::{TimeVal, TimeValLike};
use std::fs::{self, DirBuilder, File};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const FOLDER: &str = "/run/ckpt";

/// How long a packet may wait for its reader, in seconds.
const PATIENCE: i64 = 5;

/// The name of the socket of the tree with this root.
pub fn path(root: Key) -> PathBuf {
    Path::new(FOLDER).join(format!("track-{}-{}.sock", root.pid, root.start))
}

/// A connection, if somebody listens. Errors: `Kernel`.
pub fn connected(root: Key) -> Result<Option<OwnedFd>> {
    let path = path(root);
    let try_to = || {
        let socket = new_socket()?;
        connect(socket.as_raw_fd(), &UnixAddr::new(&path)?)?;
        be_patient(&socket)?;
        Ok(socket)
    };
    match try_to() {
        Ok(socket) => Ok(Some(socket)),
        Err(Errno::ENOENT | Errno::ECONNREFUSED) => Ok(None),
        Err(errno) => Err(failed(&path, "connecting to its keeper", errno)),
    }
}

/// Let sends on a socket fail that its reader holds up for long.
pub fn be_patient(socket: &OwnedFd) -> nix::Result<()> {
    setsockopt(socket, sockopt::SendTimeout, &TimeVal::seconds(PATIENCE))
}

/// A socket that listens, in place of one that nobody listens at any more. `with` is done before
/// anybody else can look.
///
/// Errors: `WorkDir`; `Kernel`, those of `with`.
pub fn listening<T>(root: Key, with: impl FnOnce(OwnedFd) -> Result<T>) -> Result<Option<T>> {
    let path = path(root);
    let in_folder = |errno| failed(Path::new(FOLDER), "making a keeper's folder", errno);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(FOLDER);
    made.and_then(|()| File::open(FOLDER)).map_err(|e| in_folder(crate::proc::errno(&e))).and_then(
        |folder| {
            let lock = Flock::lock(folder, FlockArg::LockExclusive);
            let _lock = lock.map_err(|(_, errno)| in_folder(errno))?;
            if connected(root)?.is_some() {
                return Ok(None);
            }
            sweep();
            let _ = fs::remove_file(&path);
            let socket = listen_at(&path).map_err(|e| failed(&path, "listening", e))?;
            with(socket).map(Some).inspect_err(|_| drop(fs::remove_file(&path)))
        },
    )
}

/// Remove what keepers that were killed have left, of processes that are no more.
fn sweep() {
    for entry in fs::read_dir(FOLDER).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let key = name.to_str().and_then(key);
        if key.is_some_and(|key| Key::of(key.pid).ok() != Some(key)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whose socket has this name.
fn key(name: &str) -> Option<Key> {
    let (pid, start) = name.strip_prefix("track-")?.strip_suffix(".sock")?.split_once('-')?;
    Some(Key { pid: pid.parse().ok()?, start: start.parse().ok()? })
}

fn listen_at(path: &Path) -> nix::Result<OwnedFd> {
    let socket = new_socket()?;
    let before = umask(Mode::from_bits_truncate(0o177));
    let bound = bind(socket.as_raw_fd(), &UnixAddr::new(path)?);
    umask(before);
    bound?;
    listen(&socket.as_fd(), Backlog::new(8)?)?;
    Ok(socket)
}

fn new_socket() -> nix::Result<OwnedFd> {
    socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)
}

fn failed(path: &Path, doing: &str, errno: Errno) -> Error {
    let code = match errno {
        Errno::EACCES | Errno::EPERM => Code::Permission,
        _ => Code::Kernel,
    };
    let mut error = Error::new(code, format!("{}: {doing}: {}", path.display(), errno.desc()));
    error.errno = Some(errno as i32);
    error.with_object(path.display().to_string())
}
