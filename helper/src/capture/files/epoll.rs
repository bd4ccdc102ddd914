//! epoll(7): what it watches. A member is a number and a description; the number may since have
//! been closed or be another file's, so the description is found by kcmp.

use super::descriptor::Descriptor;
use super::fact::{kernel_device, Fds, File, FileId, Kind};
use super::order::{At, Descriptions, Place};
use crate::error::{Error, Result};
use crate::limit::Limit;
use crate::sys;
use crate::value::Hex;
use serde::Serialize;
use std::collections::HashMap;

#[derive(Debug, Serialize)]
pub struct Epoll {
    pub members: Vec<Member>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Member {
    /// The number when it was added.
    pub tfd: i32,
    pub events: Hex,
    pub data: Hex,
    /// Absent: nothing in the tree holds the description any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileId>,
    pub dev: u64,
    pub ino: Hex,
    pub pos: Hex,
    /// Of the members with this number, the how many-th it is, from 0: kcmp's `toff`.
    #[serde(skip)]
    nth: u32,
}

/// The members, their files still to be found.
pub fn capture(d: &Descriptor) -> Result<Epoll> {
    let mut times_seen = HashMap::new();
    let mut members = Vec::new();
    for line in d.info.all("tfd") {
        let mut member = d.read(parse(line).ok_or("tfd"))?;
        let seen = times_seen.entry(member.tfd).or_insert(0);
        member.nth = *seen;
        *seen += 1;
        members.push(member);
    }
    Ok(Epoll { members })
}

/// `8 events: 19 data: 8  pos:0 ino:2a sdev:e`, fs/eventpoll.c
fn parse(line: &str) -> Option<Member> {
    let spaced = line.replace(':', ": ");
    let mut words = spaced.split_whitespace();
    let tfd = words.next()?.parse().ok()?;
    let mut value = |name: &str| (words.next()? == name).then(|| words.next())?;
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let (events, data) = (hex(value("events:")?)?, hex(value("data:")?)?);
    let pos = value("pos:")?.parse::<i64>().ok()? as u64;
    let (ino, sdev) = (hex(value("ino:")?)?, hex(value("sdev:")?)?);
    Some(Member {
        tfd,
        events: Hex(events),
        data: Hex(data),
        file: None,
        dev: kernel_device(u32::try_from(sdev).ok()?),
        ino: Hex(ino),
        pos: Hex(pos),
        nth: 0,
    })
}

/// Once all of the tree's files are known: finds those that its epolls watch.
pub fn resolve(
    files: &mut [File],
    tables: &[Fds],
    known: &Descriptions,
    limit: &Limit,
) -> Result<()> {
    let is_epoll = |file: &File| matches!(file.kind, Kind::Epoll(_));
    if !files.iter().any(is_epoll) {
        return Ok(());
    }
    let numbers = |table: &Fds| {
        let pid = table.pid;
        table.fds.iter().map(move |fd| ((pid, fd.fd), fd.file)).collect::<Vec<_>>()
    };
    let open_at: HashMap<At, FileId> = tables.iter().flat_map(numbers).collect();
    for index in 0..files.len() {
        let Some(at) = known.place(&files[index]) else { continue };
        let Kind::Epoll(epoll) = &mut files[index].kind else { continue };
        let mut members = std::mem::take(&mut epoll.members);
        for member in &mut members {
            limit.check()?;
            member.file = find(member, at, known, files, &open_at).map_err(|errno| {
                let doing = format!("fd {}: comparing epoll member {}", at.1, member.tfd);
                Error::of_task(at.0, &doing, errno)
            })?;
        }
        files[index].kind = Kind::Epoll(Epoll { members });
    }
    Ok(())
}

fn find(
    member: &Member,
    at: At,
    known: &Descriptions,
    files: &[File],
    open_at: &HashMap<At, FileId>,
) -> nix::Result<Option<FileId>> {
    let candidates = known.of_inode(member.ino.0);
    // A socket has one description only, so its inode is proof enough. The kernel looks a member
    // up by walking all of them: asking for each would be quadratic.
    if let [only] = candidates {
        let inode = &files[only.id as usize - 1].inode;
        if inode.format() == libc::S_IFSOCK && inode.dev == member.dev {
            return Ok(Some(only.id));
        }
    }
    let order = |other: At| sys::kcmp_epoll(other, at, member.tfd, member.nth);
    // Nearly always the number still is that file's.
    let same_number = (at.0, member.tfd);
    if let Some(&id) = open_at.get(&same_number) {
        if order(same_number)?.is_eq() {
            return Ok(Some(id));
        }
    }
    match known.find(member.ino.0, order)? {
        Place::Found(id) => Ok(Some(id)),
        Place::Missing(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line() {
        let line = "8 events:       19 data: ffffffffffffffff  pos:-1 ino:2a sdev:e";
        let member = parse(line).unwrap();
        assert_eq!((member.tfd, member.events, member.data), (8, Hex(0x19), Hex(u64::MAX)));
        assert_eq!((member.pos, member.ino, member.dev), (Hex(u64::MAX), Hex(0x2a), 14));
        assert!(parse("8 events: 19 data: 8").is_none());
    }
}
