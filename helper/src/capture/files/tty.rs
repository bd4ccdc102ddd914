//! Terminals: settings and window size by ioctl on a duplicate (nothing is opened, nobody's
//! controlling terminal changes), session and foreground group from the tasks. tty_ioctl(4).

use super::descriptor::Descriptor;
use super::fact::{File, Kind};
use crate::error::{Error, Result};
use crate::sys::{ioctl_int, termios2, termios_locked, winsize, IntIoctl};
use crate::value::Bytes;
use nix::errno::Errno;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Tty {
    pub driver: Driver,
    pub index: u32,
    pub locked: bool,
    pub exclusive: bool,
    pub packet: bool,
    /// Of the session whose controlling terminal it is (a master: its slave); absent: none, or
    /// none in the tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pgrp: Option<i32>,
    /// The terminal really behind /dev/tty or /dev/console; a master's slave; as st_rdev.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub real_dev: Option<u64>,
    /// struct termios2 and, of 36 bytes, struct termios; absent when hung up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termios: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termios_locked: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub winsize: Option<Winsize>,
    /// Bytes that a read would find.
    pub unread: i32,
    pub hung_up: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    Ptmx,
    Pts,
    /// /dev/tty
    Tty,
    Console,
    Vt,
    Serial,
    Other,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Winsize {
    pub row: u16,
    pub col: u16,
    pub xpixel: u16,
    pub ypixel: u16,
}

/// `None`: a character device that is no terminal. Major 1 (/dev/null ...) is not even asked.
pub fn capture(d: &Descriptor) -> Result<Option<Tty>> {
    let (major, minor) = (libc::major(d.inode.rdev), libc::minor(d.inode.rdev));
    if major == 1 {
        return Ok(None);
    }
    let (driver, index) = driver(major, minor);
    match termios2(d.dup) {
        Ok(termios) => live(d, driver, index, &termios).map(Some),
        Err(Errno::EIO) if driver != Driver::Other => Ok(Some(hung_up(driver, index))),
        Err(_) => Ok(None),
    }
}

/// Documentation/admin-guide/devices.txt
fn driver(major: u32, minor: u32) -> (Driver, u32) {
    match (major, minor) {
        (5, 2) => (Driver::Ptmx, 0),
        (5, 0) => (Driver::Tty, 0),
        (5, 1) => (Driver::Console, 0),
        (4, 0..=63) => (Driver::Vt, minor),
        (4, _) => (Driver::Serial, minor - 64),
        (136..=143, _) => (Driver::Pts, minor + (major - 136) * 256),
        (204, _) => (Driver::Serial, minor),
        _ => (Driver::Other, minor),
    }
}

fn live(d: &Descriptor, driver: Driver, index: u32, termios: &[u8]) -> Result<Tty> {
    let get = |doing, request| d.told(doing, ioctl_int(d.dup, request));
    let master = driver == Driver::Ptmx;
    let [row, col, xpixel, ypixel] = d.told("TIOCGWINSZ", winsize(d.dup))?;
    let locked = d.told("TIOCGLCKTRMIOS", termios_locked(d.dup))?;
    let unread = {
        d.poll()?; // takes what the driver still holds to where it can be counted
        get("TIOCINQ", IntIoctl::Fionread)?
    };
    Ok(Tty {
        driver,
        index: if master { get("TIOCGPTN", IntIoctl::Tiocgptn)? as u32 } else { index },
        locked: master && get("TIOCGPTLCK", IntIoctl::Tiocgptlck)? != 0,
        exclusive: get("TIOCGEXCL", IntIoctl::Tiocgexcl)? != 0,
        packet: master && get("TIOCGPKT", IntIoctl::Tiocgpkt)? != 0,
        sid: master.then(|| ioctl_int(d.dup, IntIoctl::Tiocgsid).ok()).flatten(),
        pgrp: master.then(|| ioctl_int(d.dup, IntIoctl::Tiocgpgrp).ok()).flatten(),
        real_dev: Some(get("TIOCGDEV", IntIoctl::Tiocgdev)? as u32 as u64),
        termios: Some(Bytes(termios.to_vec())),
        termios_locked: Some(Bytes(locked.to_vec())),
        winsize: Some(Winsize { row, col, xpixel, ypixel }),
        unread,
        hung_up: false,
    })
}

fn hung_up(driver: Driver, index: u32) -> Tty {
    Tty {
        driver,
        index,
        locked: false,
        exclusive: false,
        packet: false,
        sid: None,
        pgrp: None,
        real_dev: None,
        termios: None,
        termios_locked: None,
        winsize: None,
        unread: 0,
        hung_up: true,
    }
}

/// Sessions and foreground groups of slaves: only a member of the session could ask by ioctl, but
/// /proc/PID/stat tells each task's terminal.
pub fn resolve(files: &mut [File], pids: &[i32]) -> Result<()> {
    let mut unowned: Vec<&mut Tty> = files
        .iter_mut()
        .filter_map(|file| match &mut file.kind {
            Kind::Tty(tty) if tty.sid.is_none() && !tty.hung_up => Some(&mut **tty),
            _ => None,
        })
        .collect();
    for &pid in pids {
        if unowned.iter().all(|tty| tty.sid.is_some()) {
            break;
        }
        let Some(controlling) = controlling_terminal(pid)? else { continue };
        for tty in unowned.iter_mut().filter(|tty| tty.real_dev == Some(controlling.dev)) {
            tty.sid = Some(controlling.sid);
            tty.pgrp = Some(controlling.pgrp);
        }
    }
    Ok(())
}

struct Controlling {
    dev: u64,
    sid: i32,
    pgrp: i32,
}

/// Fields 6, 7 and 8 of /proc/PID/stat: session, tty_nr, tpgid. proc_pid_stat(5)
fn controlling_terminal(pid: i32) -> Result<Option<Controlling>> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).map_err(|error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
        Error::of_task(pid, "reading its stat", errno)
    })?;
    Ok(parse_stat(&String::from_utf8_lossy(&text)).filter(|found| found.dev != 0))
}

fn parse_stat(text: &str) -> Option<Controlling> {
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(3);
    let sid = fields.next()?.parse().ok()?;
    let dev = fields.next()?.parse::<i32>().ok()? as u32;
    let pgrp = fields.next()?.parse().ok()?;
    Some(Controlling { dev: dev.into(), sid, pgrp })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_with_parentheses_in_the_name() {
        let found = parse_stat("7 (a) b) S 1 7 6 34817 8 4194304 1").unwrap();
        assert_eq!((found.sid, found.dev, found.pgrp), (6, 0x8801, 8));
    }

    #[test]
    fn drivers() {
        assert_eq!(driver(136, 300), (Driver::Pts, 300));
        assert_eq!(driver(4, 64), (Driver::Serial, 0));
        assert_eq!(driver(5, 2), (Driver::Ptmx, 0));
        assert_eq!(driver(10, 200), (Driver::Other, 200));
    }
}
