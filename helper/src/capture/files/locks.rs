//! File locks and leases: the `lock:` lines of fdinfo, in the format of /proc/locks. proc_locks(5).

use super::fdinfo::FdInfo;
use crate::value::Hex;
use serde::{Serialize, Serializer};

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Lock {
    /// POSIX, FLOCK, OFDLCK, LEASE ...
    pub kind: String,
    /// Of a lease: somebody waits for it to be given up.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub breaking: bool,
    /// READ, WRITE, UNLCK.
    pub mode: String,
    /// Who took it; -1 for OFDLCK, 0 for a process of another pid namespace.
    pub pid: i32,
    pub start: Hex,
    pub end: End,
}

/// The last byte.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    At(u64),
    Eof,
}

impl Serialize for End {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            End::At(end) => Hex(*end).serialize(serializer),
            End::Eof => serializer.serialize_str("EOF"),
        }
    }
}

/// Add the locks of this descriptor to those that others of the same description showed: POSIX
/// locks are shown only to the process that holds them.
pub fn merge(locks: &mut Vec<Lock>, info: &FdInfo) -> Result<(), &'static str> {
    for line in info.all("lock") {
        let lock = parse(line).ok_or("lock")?;
        if !locks.contains(&lock) {
            locks.push(lock);
        }
    }
    Ok(())
}

/// `1: POSIX  ADVISORY  WRITE 1234 fe:00:5678 0 EOF`
fn parse(line: &str) -> Option<Lock> {
    let mut words = line.split_whitespace().skip(1);
    let kind = words.next()?.to_owned();
    let breaking = words.next()? == "BREAKING";
    let mode = words.next()?.to_owned();
    let pid = words.next()?.parse().ok()?;
    let start = Hex(words.nth(1)?.parse().ok()?);
    let end = match words.next()? {
        "EOF" => End::Eof,
        end => End::At(end.parse().ok()?),
    };
    Some(Lock { kind, breaking, mode, pid, start, end })
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMON: &str = "pos:\t0\nflags:\t02\nmnt_id:\t1\nino:\t9\n";

    fn of(line: &str) -> Lock {
        let text = format!("{COMMON}lock:\t{line}\n");
        let mut locks = Vec::new();
        merge(&mut locks, &FdInfo::parse(&text).unwrap()).unwrap();
        locks.remove(0)
    }

    #[test]
    fn kinds() {
        let posix = of("1: POSIX  ADVISORY  WRITE 77 fe:00:9 10 19");
        assert_eq!((posix.kind.as_str(), posix.mode.as_str(), posix.pid), ("POSIX", "WRITE", 77));
        assert_eq!((posix.start, posix.end), (Hex(10), End::At(19)));
        assert_eq!(of("1: FLOCK  ADVISORY  READ 77 fe:00:9 0 EOF").end, End::Eof);
        assert_eq!(of("2: OFDLCK ADVISORY  READ -1 fe:00:9 5 5").pid, -1);
        let lease = of("1: LEASE  ACTIVE    READ 77 fe:00:9 0 EOF");
        assert_eq!(
            (lease.kind.as_str(), lease.mode.as_str(), lease.breaking),
            ("LEASE", "READ", false)
        );
        assert!(of("1: LEASE  BREAKING  UNLCK 77 fe:00:9 0 EOF").breaking);
    }

    #[test]
    fn the_same_lock_is_told_once() {
        let text = format!("{COMMON}lock:\t1: FLOCK  ADVISORY  READ 77 fe:00:9 0 EOF\n");
        let info = FdInfo::parse(&text).unwrap();
        let mut locks = Vec::new();
        merge(&mut locks, &info).unwrap();
        merge(&mut locks, &info).unwrap();
        assert_eq!(locks.len(), 1);
    }

    #[test]
    fn a_line_not_understood_is_an_error() {
        let text = format!("{COMMON}lock:\t1: FLOCK\n");
        let mut locks = Vec::new();
        assert_eq!(merge(&mut locks, &FdInfo::parse(&text).unwrap()), Err("lock"));
    }
}
