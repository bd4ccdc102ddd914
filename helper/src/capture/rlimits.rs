//! Resource limits, from /proc/PID/limits: prlimit(2) needs CAP_SYS_RESOURCE for a task of another
//! user, this file does not.

use crate::error::Result;
use crate::proc;
use crate::value::Hex;

/// Soft and hard limit; the index is RLIMIT_*, in which order the kernel prints them.
pub fn capture(pid: i32) -> Result<Vec<[Hex; 2]>> {
    let text = proc::text(pid, "limits")?;
    parse(&text).ok_or_else(|| proc::odd(pid, "limits", &text))
}

/// RLIM_NLIMITS.
const LIMITS: usize = 16;

/// Width of the column of names, which hold spaces: proc_pid_limits in fs/proc/base.c.
const NAME: usize = 26;

fn parse(text: &str) -> Option<Vec<[Hex; 2]>> {
    let limit = |word: &str| match word {
        "unlimited" => Some(Hex(u64::MAX)),
        number => number.parse().ok().map(Hex),
    };
    let pair = |line: &str| {
        let mut words = line.get(NAME..)?.split_whitespace();
        Some([limit(words.next()?)?, limit(words.next()?)?])
    };
    let limits: Vec<_> = text.lines().skip(1).map(pair).collect::<Option<_>>()?;
    (limits.len() == LIMITS).then_some(limits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::resource::{getrlimit, Resource};

    #[test]
    fn own_limits_are_those_that_getrlimit_tells() {
        let limits = capture(std::process::id() as i32).expect("own limits");
        for (index, resource) in [
            (libc::RLIMIT_NOFILE, Resource::RLIMIT_NOFILE),
            (libc::RLIMIT_STACK, Resource::RLIMIT_STACK),
            (libc::RLIMIT_CORE, Resource::RLIMIT_CORE),
            (libc::RLIMIT_RTTIME, Resource::RLIMIT_RTTIME),
        ] {
            let (soft, hard) = getrlimit(resource).expect("getrlimit");
            assert_eq!(limits[index as usize], [Hex(soft), Hex(hard)], "{resource:?}");
        }
    }
}
