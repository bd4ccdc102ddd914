//! Files of /proc/PID as text.

use crate::error::{Error, Result};
use nix::errno::Errno;
use std::fs::File;
use std::io::{self, Read};

/// Read /proc/`id`/`name`, where `id` may be a thread's too. Bytes that are not UTF-8, which only
/// names can hold, are replaced. Errors: `TargetGone`, `Permission`, `Kernel`.
pub fn text(id: i32, name: &str) -> Result<String> {
    let bytes = bytes(id, name)?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into()))
}

/// The same, byte for byte.
pub fn bytes(id: i32, name: &str) -> Result<Vec<u8>> {
    let result = File::open(format!("/proc/{id}/{name}")).and_then(read_all);
    result.map_err(|e| Error::of_task(id, &format!("reading its {name}"), errno(&e)))
}

/// `Read::read_to_end` asks for the size first, which no file of /proc tells.
fn read_all(mut file: File) -> io::Result<Vec<u8>> {
    let mut part = [0; 4096];
    let mut bytes = Vec::new();
    loop {
        match file.read(&mut part)? {
            0 => return Ok(bytes),
            length => bytes.extend_from_slice(&part[..length]),
        }
    }
}

/// A number that is all there is in the file, or None where the kernel has no such file.
pub fn number(id: i32, name: &str) -> Result<Option<i64>> {
    match text(id, name) {
        Ok(text) => Ok(Some(text.trim().parse().map_err(|_| odd(id, name, &text))?)),
        Err(error) if error.errno == Some(Errno::ESRCH as i32) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The name of a process or thread.
pub fn comm(id: i32) -> Result<String> {
    Ok(text(id, "comm")?.trim_end_matches('\n').to_owned())
}

/// The error for a file that is not as proc(5) has it.
pub fn odd(id: i32, name: &str, text: &str) -> Error {
    let message = format!("pid {id}: its {name} is not understood: {}", text.trim());
    Error::new(crate::error::Code::Kernel, message).with_pid(id)
}

/// The errno of a failed access below /proc/PID: a process that ended has no folder there, or one
/// whose files read as ESRCH.
pub fn errno(error: &io::Error) -> Errno {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) => Errno::ESRCH,
        Some(errno) => errno,
        None => Errno::EIO,
    }
}
