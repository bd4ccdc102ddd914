//! A restoring program at the other end of the socket, which hands over its tasks one by one: a
//! task's pid as the images have it (i32), then one byte with its userfaultfd; of a zombie only the
//! pid below zero; at the end a word that says that the restore is finished.

use super::poll::Watched;
use super::server::Server;
use super::session::Session;
use super::tell::Refused;
use crate::sys;
use nix::errno::Errno;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

/// All tasks are restored.
const FINISHED: i32 = 0x5253_5446;

/// The kernel's largest pid: 2^22.
const PID_MAX: i32 = 1 << 22;

pub struct Peer {
    stream: UnixStream,
    pid: i32,
    session: Arc<Session>,
    heard: Mutex<Heard>,
}

/// What has come of the message under way.
#[derive(Default)]
struct Heard {
    word: Vec<u8>,
    /// Whose userfaultfd comes next.
    task: Option<i32>,
}

enum Step {
    /// There may be more to read.
    More,
    /// There is nothing to read now.
    Wait,
    Finished,
    /// The other end is closed.
    Closed,
}

impl Peer {
    pub fn watch(stream: UnixStream, pid: i32, server: &Arc<Server>) -> nix::Result<()> {
        let session = server.sessions.new_session();
        let peer = Peer { stream, pid, session, heard: Mutex::default() };
        server.poll.add(server.poll.reserve(), Arc::new(peer))
    }

    fn step(&self, heard: &mut Heard, server: &Arc<Server>) -> Result<Step, String> {
        let mut buffer = [0; 4];
        let room = if heard.task.is_some() { 1 } else { 4 - heard.word.len() };
        let (length, uffd) = match sys::receive(self.stream.as_fd(), &mut buffer[..room]) {
            Ok((0, _)) => return Ok(Step::Closed),
            Ok(received) => received,
            Err(Errno::EAGAIN) => return Ok(Step::Wait),
            Err(Errno::EINTR) => return Ok(Step::More),
            Err(Errno::ECONNRESET) => return Ok(Step::Closed),
            Err(errno) => return Err(errno.desc().to_owned()),
        };
        if let Some(pid) = heard.task.take() {
            let uffd = uffd.ok_or_else(|| format!("no userfaultfd came for pid {pid}"))?;
            self.take(pid, uffd, server)?;
            return Ok(Step::More);
        }
        heard.word.extend_from_slice(&buffer[..length]);
        let Ok(word) = <[u8; 4]>::try_from(heard.word.as_slice()) else { return Ok(Step::More) };
        heard.word.clear();
        match i32::from_ne_bytes(word) {
            FINISHED => return Ok(Step::Finished),
            pid @ 1..=PID_MAX => heard.task = Some(pid),
            zombie if (-PID_MAX..0).contains(&zombie) => {}
            other => return Err(format!("{other:#x} is no pid")),
        }
        Ok(Step::More)
    }

    fn take(&self, pid: i32, uffd: OwnedFd, server: &Arc<Server>) -> Result<(), String> {
        let path = format!("/proc/self/fd/{}", uffd.as_raw_fd());
        let is_uffd = std::fs::read_link(path)
            .is_ok_and(|link| link.as_os_str() == "anon_inode:[userfaultfd]");
        if !is_uffd {
            return Err(format!("what came for pid {pid} is no userfaultfd"));
        }
        server.sessions.begin(&self.session, self.pid);
        let Some(table) = server.tables.get(&pid) else {
            // Its pages are nowhere, and closed it would find zeros in their place.
            self.session.hold(uffd);
            return Err(format!("pid {pid} is not in the images that are served"));
        };
        server.add_task(&self.session, pid, uffd, table).map_err(|errno| errno.desc().to_owned())
    }
}

impl Watched for Peer {
    fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    fn ready(self: Arc<Self>, server: &Arc<Server>, again: &dyn Fn()) -> bool {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match self.step(&mut heard, server) {
                Ok(Step::More) => continue,
                Ok(Step::Wait) => {
                    again();
                    return true;
                }
                Ok(Step::Finished) => server.finish(&self.session, true),
                Ok(Step::Closed) => server.finish(&self.session, false),
                Err(reason) => {
                    // A restore that cannot speak to us any more gives up, and ends its tasks.
                    let reason = format!("a connection of process {}: {reason}", self.pid);
                    server.tell(&Refused { reason: &reason });
                    server.finish(&self.session, false);
                }
            }
            return false;
        }
    }
}
