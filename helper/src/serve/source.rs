//! Where page data is read from: a file, the memory of a process, or the orchestrator, which gets
//! it from wherever it is.

use super::remote::Remote;
use super::table::Table;
use crate::error::{Code, Error, Result};
use crate::memory::PAGE;
use crate::proc;
use crate::wire::SourceRequest;
use nix::errno::Errno;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Duration;

/// How often a read is tried again that failed for a reason which may pass, and after how long.
const TRIES: u32 = 3;
const RESPITE: Duration = Duration::from_millis(100);

/// Why pages could not be had.
#[derive(Clone, Debug)]
pub struct Failure {
    pub reason: String,
    /// Trying again may help.
    pub passes: bool,
}

enum Source {
    File {
        name: String,
        file: File,
    },
    /// Its memory, as it was when this was opened: whatever becomes of the number, it is this process.
    Process {
        pid: i32,
        mem: File,
    },
    Remote,
}

pub struct Sources {
    sources: Vec<Source>,
    remote: Remote,
}

impl Sources {
    /// Errors: `PageSource` for what cannot be opened.
    pub fn open(requests: &[SourceRequest], remote: Remote) -> Result<Self> {
        let sources = requests.iter().map(open).collect::<Result<_>>()?;
        Ok(Sources { sources, remote })
    }

    pub fn len(&self) -> usize {
        self.sources.len()
    }

    pub fn has_remote(&self) -> bool {
        self.sources.iter().any(|source| matches!(source, Source::Remote))
    }

    /// Who waits for a remote source waits no longer.
    pub fn end(&self) {
        self.remote.end();
    }

    /// Fill `buffer` with pages of a table from `page` on. Errors: how many pages are good all the
    /// same, and what is with the next.
    pub fn read(
        &self,
        (table, pid): (&Table, i32),
        page: u64,
        buffer: &mut [u8],
    ) -> std::result::Result<(), (u64, Failure)> {
        let count = buffer.len() as u64 / PAGE;
        for part in table.parts(page, count) {
            let done = part.page - page;
            let bytes = &mut buffer[(done * PAGE) as usize..][..(part.count * PAGE) as usize];
            self.read_part((part.source, pid), part.offset, bytes)
                .map_err(|(good, failure)| (done + good, failure))?;
        }
        Ok(())
    }

    fn read_part(
        &self,
        (source, pid): (usize, i32),
        offset: u64,
        bytes: &mut [u8],
    ) -> std::result::Result<(), (u64, Failure)> {
        let mut tries = 0;
        loop {
            let read = match &self.sources[source] {
                Source::File { name, file } => read_at(file, bytes, offset, "it ends there")
                    .map_err(|(good, failure)| {
                        let reason =
                            format!("{name}: byte {}: {}", (offset + good) * PAGE, failure.reason);
                        (good, Failure { reason, ..failure })
                    }),
                Source::Process { pid, mem } => {
                    read_at(mem, bytes, offset, "it is gone").map_err(|(good, failure)| {
                        let at = (offset + good) * PAGE;
                        let reason =
                            format!("process {pid}: memory at {at:#x}: {}", failure.reason);
                        (good, Failure { reason, ..failure })
                    })
                }
                Source::Remote => {
                    self.remote.read(pid, offset, bytes).map_err(|failure| (0, failure))
                }
            };
            match read {
                Err((_, Failure { passes: true, .. })) if tries < TRIES => {
                    thread::sleep(RESPITE * 2u32.pow(tries));
                    tries += 1;
                }
                read => return read,
            }
        }
    }
}

fn open(request: &SourceRequest) -> Result<Source> {
    let failed = |what: String, error: io::Error| {
        let errno = proc::errno(&error);
        Error::new(Code::PageSource, format!("{what}: {}", errno.desc())).with_object(what)
    };
    match request {
        SourceRequest::File { path } => {
            let name = path.display().to_string();
            let file = File::open(path).map_err(|error| failed(name.clone(), error))?;
            Ok(Source::File { name, file })
        }
        SourceRequest::Process { pid } => {
            let mem = File::open(format!("/proc/{pid}/mem"))
                .map_err(|error| failed(format!("process {pid}"), error).with_pid(*pid))?;
            Ok(Source::Process { pid: *pid, mem })
        }
        SourceRequest::Remote => Ok(Source::Remote),
    }
}

/// Read whole pages from the page `offset` on; `end` is the reason where there are no more.
fn read_at(
    file: &File,
    bytes: &mut [u8],
    offset: u64,
    end: &str,
) -> std::result::Result<(), (u64, Failure)> {
    let mut done = 0;
    while done < bytes.len() {
        let failure = match file.read_at(&mut bytes[done..], offset * PAGE + done as u64) {
            Ok(0) => Failure { reason: end.to_owned(), passes: false },
            Ok(more) => {
                done += more;
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let errno = proc::errno(&error);
                let passes = matches!(errno, Errno::EAGAIN | Errno::ETIMEDOUT | Errno::ENOMEM);
                Failure { reason: errno.desc().to_owned(), passes }
            }
        };
        return Err((done as u64 / PAGE, failure));
    }
    Ok(())
}
