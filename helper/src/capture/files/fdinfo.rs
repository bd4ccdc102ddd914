//! /proc/PID/fdinfo/N: what it says of every descriptor, and the lines that only some kinds have.
//! proc_pid_fdinfo(5).

use nix::libc::O_CLOEXEC;
use std::str::FromStr;

/// One descriptor's fdinfo. The text stays whole: each kind looks for its own lines in it.
#[derive(Debug, PartialEq)]
pub struct FdInfo<'a> {
    pub pos: u64,
    /// O_* of the description, without O_CLOEXEC, which is the descriptor's.
    pub flags: u32,
    pub cloexec: bool,
    pub mnt_id: u32,
    pub ino: u64,
    text: &'a str,
}

impl<'a> FdInfo<'a> {
    /// Error: the name of the line that is missing or not as expected.
    pub fn parse(text: &'a str) -> Result<Self, &'static str> {
        let field = |name: &'static str| find(text, name).ok_or(name);
        // A position is printed signed, but that of /dev/mem may be above 2^63.
        let pos: i64 = field("pos")?.parse().map_err(|_| "pos")?;
        let flags = u32::from_str_radix(field("flags")?, 8).map_err(|_| "flags")?;
        let cloexec = O_CLOEXEC as u32;
        Ok(FdInfo {
            pos: pos as u64,
            flags: flags & !cloexec,
            cloexec: flags & cloexec != 0,
            mnt_id: field("mnt_id")?.parse().map_err(|_| "mnt_id")?,
            ino: field("ino")?.parse().map_err(|_| "ino")?,
            text,
        })
    }

    /// The value of the line `name: value`.
    pub fn find(&self, name: &str) -> Option<&'a str> {
        find(self.text, name)
    }

    pub fn decimal<T: FromStr>(&self, name: &'static str) -> Result<T, &'static str> {
        self.find(name).and_then(|value| value.parse().ok()).ok_or(name)
    }

    pub fn hex(&self, name: &'static str) -> Result<u64, &'static str> {
        self.find(name).and_then(|value| u64::from_str_radix(value, 16).ok()).ok_or(name)
    }

    /// The values of all lines of this name, in order.
    pub fn all<'b>(&self, name: &'b str) -> impl Iterator<Item = &'a str> + use<'a, 'b> {
        self.text.lines().filter_map(move |line| value_of(line, name))
    }
}

fn find<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| value_of(line, name))
}

fn value_of<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    Some(line.strip_prefix(name)?.strip_prefix(':')?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGULAR: &str = "pos:\t15\nflags:\t02100002\nmnt_id:\t29\nino:\t1234\n";

    #[test]
    fn common_lines() {
        let info = FdInfo::parse(REGULAR).unwrap();
        assert_eq!((info.pos, info.mnt_id, info.ino), (15, 29, 1234));
        assert_eq!(info.flags, 0o100002);
        assert!(info.cloexec);
    }

    #[test]
    fn missing_or_strange_lines_are_named() {
        assert_eq!(FdInfo::parse("pos:\t0\nflags:\t02\nmnt_id:\t1\n"), Err("ino"));
        assert_eq!(FdInfo::parse("pos:\t0\nflags:\t9\nmnt_id:\t1\nino:\t1\n"), Err("flags"));
    }

    #[test]
    fn positions_above_2_63() {
        let text = "pos:\t-4096\nflags:\t00\nmnt_id:\t1\nino:\t1\n";
        assert_eq!(FdInfo::parse(text).unwrap().pos, 0xffff_ffff_ffff_f000);
    }

    #[test]
    fn lines_of_a_kind() {
        let text = format!("{REGULAR}eventfd-count:               2a\ntfd: 5\ntfd: 6\nit: 1\n");
        let info = FdInfo::parse(&text).unwrap();
        assert_eq!(info.hex("eventfd-count"), Ok(0x2a));
        assert_eq!(info.decimal::<u32>("it"), Ok(1));
        assert_eq!(info.decimal::<u32>("eventfd-id"), Err("eventfd-id"));
        assert_eq!(info.all("tfd").collect::<Vec<_>>(), ["5", "6"]);
    }
}
