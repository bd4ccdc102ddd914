//! timerfd_create(2): its clock, what is left of it, and expirations not yet read.

use super::descriptor::Descriptor;
use super::fdinfo::FdInfo;
use super::proc::fdinfo_of;
use crate::error::Result;
use crate::sys;
use crate::value::Hex;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Timerfd {
    pub clockid: i32,
    /// Expirations that a read would find.
    pub ticks: Hex,
    /// TFD_TIMER_* of timerfd_settime(2).
    pub settime_flags: u32,
    pub interval_ns: Hex,
    /// Until the next expiration, whatever the flags; 0: disarmed.
    pub value_ns: Hex,
}

/// A periodic timer that expired stands still until that is read or asked about: without asking,
/// it would look as if it were disarmed. What a read finds is the same either way (fs/timerfd.c).
pub fn capture(d: &Descriptor) -> Result<Timerfd> {
    let mut timer = d.read(parse(d.info))?;
    if timer.value_ns == Hex(0) && timer.interval_ns != Hex(0) {
        let left = Hex(d.told("timerfd_gettime", sys::timerfd_gettime(d.dup))?);
        let text = d.told("reading its fdinfo", fdinfo_of(d.dup))?;
        timer = d.read(FdInfo::parse(&text).and_then(|info| parse(&info)))?;
        timer.value_ns = left;
    }
    Ok(timer)
}

fn parse(info: &FdInfo) -> std::result::Result<Timerfd, &'static str> {
    let flags = info.find("settime flags").and_then(|flags| u32::from_str_radix(flags, 8).ok());
    let time = |name| info.find(name).and_then(nanoseconds).map(Hex).ok_or(name);
    Ok(Timerfd {
        clockid: info.decimal("clockid")?,
        ticks: Hex(info.decimal("ticks")?),
        settime_flags: flags.ok_or("settime flags")?,
        interval_ns: time("it_interval")?,
        value_ns: time("it_value")?,
    })
}

/// `(seconds, nanoseconds)`
fn nanoseconds(pair: &str) -> Option<u64> {
    let (seconds, rest) = pair.strip_prefix('(')?.strip_suffix(')')?.split_once(", ")?;
    let seconds: u64 = seconds.parse().ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(rest.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::nanoseconds;

    #[test]
    fn pairs() {
        assert_eq!(nanoseconds("(3, 500000000)"), Some(3_500_000_000));
        assert_eq!(nanoseconds("(0, 0)"), Some(0));
        assert_eq!(nanoseconds("(99999999999999, 0)"), None);
        assert_eq!(nanoseconds("3, 5"), None);
    }
}
