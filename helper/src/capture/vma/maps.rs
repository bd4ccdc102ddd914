//! The texts that tell of mappings: /proc/PID/maps, which costs next to nothing, and smaps, which
//! repeats its lines and adds VmFlags but walks every page: 11 to 23 ms for a GiB of 4 KiB pages.

use super::Vma;
use crate::error::{Code, Error, Result};
use crate::proc;
use crate::value::Hex;
use std::collections::HashMap;

/// VmFlags of an address space, by the line of maps they belong to.
pub struct Smaps(HashMap<String, String>);

impl Smaps {
    pub fn read(pid: i32) -> Result<Self> {
        Ok(Smaps::parse(&proc::text(pid, "smaps")?))
    }

    pub fn parse(text: &str) -> Self {
        let mut flags = HashMap::new();
        let mut mapping = None;
        for line in text.lines() {
            if let Some(of_mapping) = line.strip_prefix("VmFlags:") {
                flags.extend(mapping.take().map(|line| (line, of_mapping.trim().to_owned())));
            } else if is_mapping(line) {
                mapping = Some(line.to_owned());
            }
        }
        Smaps(flags)
    }

    /// VmFlags of the mapping with this line of maps.
    pub fn flags(&self, line: &str) -> Option<&str> {
        self.0.get(line).map(String::as_str)
    }

    /// Every line of this maps is known, to the letter.
    pub fn knows_all(&self, maps: &str) -> bool {
        maps.lines().all(|line| self.0.contains_key(line))
    }

    /// Errors: `TargetChanged` if the flags of a mapping of this maps are not now as they are here.
    pub fn confirm(&self, pid: i32, maps: &str) -> Result<()> {
        let changed = |what: &str| {
            Error::new(Code::TargetChanged, format!("pid {pid}: {what} while it was dumped"))
                .with_pid(pid)
                .with_remedy("dump it again")
        };
        let now = Smaps::read(pid).map_err(|_| changed("the process ended"))?;
        let same =
            |line: &str| match (self.flags(line), now.flags(line).or_else(|| now.around(line))) {
                (Some(before), Some(now)) => own_flags(before).eq(own_flags(now)),
                _ => false,
            };
        match maps.lines().find(|line| !same(line)) {
            None => Ok(()),
            Some(line) => Err(changed("a mapping changed").with_object(line.trim_end())),
        }
    }

    /// VmFlags of a larger mapping that the one of this line has become a part of, as neighbours do
    /// once both are tracked.
    fn around(&self, line: &str) -> Option<&str> {
        let (start, end, of) = range(line)?;
        let holds =
            |line: &str| range(line).is_some_and(|(s, e, o)| s <= start && end <= e && o == of);
        self.0.iter().find(|(line, _)| holds(line)).map(|(_, flags)| flags.as_str())
    }
}

/// VmFlags but for the one that our own userfaultfd gives: no other can be where that is.
pub fn own_flags(vmflags: &str) -> impl Iterator<Item = &str> {
    vmflags.split(' ').filter(|flag| *flag != "uw")
}

/// Start, end, and what follows of a line of maps.
fn range(line: &str) -> Option<(u64, u64, &str)> {
    let (range, of) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    Some((hex(start)?, hex(end)?, of))
}

/// The first line of a mapping's entry in smaps is its line in maps: `START-END `, not `Rss: `.
fn is_mapping(line: &str) -> bool {
    line.split(' ').next().is_some_and(|range| range.contains('-') && !range.ends_with(':'))
}

/// The mappings as they are at this moment, without VmFlags and files: of a running process a
/// good guess, no more.
pub fn glance(pid: i32) -> Result<Vec<Vma>> {
    proc::text(pid, "maps")?.lines().map(|line| parse(pid, line)).collect()
}

/// A line of maps, proc_pid_maps(5): `START-END PERMS OFFSET MAJOR:MINOR INODE   NAME`.
pub fn parse(pid: i32, line: &str) -> Result<Vma> {
    fields(line).ok_or_else(|| {
        Error::new(Code::Kernel, format!("pid {pid}: a line of its maps is not understood: {line}"))
    })
}

fn fields(line: &str) -> Option<Vma> {
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let perms = fields.next()?;
    let pgoff = hex(fields.next()?)?;
    let (major, minor) = fields.next()?.split_once(':')?;
    let ino = fields.next()?.parse().ok()?;
    let name = fields.next().unwrap_or_default().trim_start_matches(' ');
    Some(Vma {
        start: Hex(hex(start)?),
        end: Hex(hex(end)?),
        perms: perms.to_owned(),
        pgoff: Hex(pgoff),
        dev: libc::makedev(hex(major)? as u32, hex(minor)? as u32),
        ino: Hex(ino),
        // The kernel escapes a newline and nothing else: show_map_vma in fs/proc/task_mmu.c.
        name: name.replace("\\012", "\n"),
        vmflags: String::new(),
        file: None,
        shmem: None,
        shmem_kind: None,
    })
}
