//! Interval timers and POSIX timers of a process. getitimer(2), timer_gettime(2), and
//! /proc/PID/timers for what a timer was made with.

use super::signals::words;
use crate::error::Result;
use crate::proc;
use crate::remote::{Arg, Asked, Results, Room, Script};
use crate::value::Hex;
use serde::Serialize;

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Itimer {
    interval_us: Hex,
    value_us: Hex,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Itimers {
    real: Itimer,
    r#virtual: Itimer,
    prof: Itimer,
}

/// struct itimerval, struct itimerspec: interval and value, each seconds and a fraction.
const TIMES: usize = 32;

/// The question for the interval timers, in the order of ITIMER_*.
pub struct AskItimers([Room; 3]);

impl AskItimers {
    pub fn ask(script: &mut Script) -> Self {
        let ask = |which: i32| {
            let room = script.room(TIMES);
            let args = [Arg::Is(which as u64), Arg::At(room)];
            script.call("reading its timers", libc::SYS_getitimer, args);
            room
        };
        AskItimers([libc::ITIMER_REAL, libc::ITIMER_VIRTUAL, libc::ITIMER_PROF].map(ask))
    }

    pub fn answer(&self, results: &Results) -> Itimers {
        let [real, r#virtual, prof] = self.0.map(|room| {
            let (interval, value) = times(results.bytes(room), 1_000_000);
            Itimer { interval_us: Hex(interval), value_us: Hex(value) }
        });
        Itimers { real, r#virtual, prof }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct PosixTimer {
    id: i32,
    clockid: i32,
    /// SIGEV_*.
    notify: i32,
    signo: i32,
    sigval: Hex,
    /// For SIGEV_THREAD_ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    tid: Option<i32>,
    overrun: u64,
    interval_ns: Hex,
    value_ns: Hex,
}

/// The question for the POSIX timers: what each was made with, and where it will tell how it stands.
pub struct AskPosixTimers(Vec<(PosixTimer, Room, Asked)>);

impl AskPosixTimers {
    /// Errors: `TargetGone`, `Kernel`.
    pub fn ask(pid: i32, script: &mut Script) -> Result<Self> {
        let text = proc::text(pid, "timers")?;
        let lines: Vec<&str> = text.lines().collect();
        let ask = |lines: &[&str]| {
            let timer = parse(lines).ok_or_else(|| proc::odd(pid, "timers", &lines.join(" ")))?;
            let id = Arg::Is(timer.id as u64);
            let room = script.room(TIMES);
            script.call("reading its timers", libc::SYS_timer_gettime, [id, Arg::At(room)]);
            let overrun = script.call("reading its timers", libc::SYS_timer_getoverrun, [id]);
            Ok((timer, room, overrun))
        };
        lines.chunks(4).map(ask).collect::<Result<_>>().map(AskPosixTimers)
    }

    pub fn answer(self, results: &Results) -> Vec<PosixTimer> {
        let answer = |(timer, room, overrun): (PosixTimer, Room, Asked)| {
            let (interval, value) = times(results.bytes(room), 1_000_000_000);
            let overrun = results.value(overrun);
            PosixTimer { interval_ns: Hex(interval), value_ns: Hex(value), overrun, ..timer }
        };
        self.0.into_iter().map(answer).collect()
    }
}

/// Interval and value, in units of which a second has `per_second`.
fn times(bytes: &[u8], per_second: u64) -> (u64, u64) {
    let [interval, interval_part, value, value_part] = words(bytes);
    (interval * per_second + interval_part, value * per_second + value_part)
}

/// Four lines of /proc/PID/timers, proc_pid_timers(5):
///
///     ID: 1
///     signal: 60/00007fff86e452a8
///     notify: signal/tid.2634
///     ClockID: 0
fn parse(lines: &[&str]) -> Option<PosixTimer> {
    let value = |line: usize, name| lines.get(line)?.strip_prefix(name)?.strip_prefix(": ");
    let (signo, sigval) = value(1, "signal")?.split_once('/')?;
    let (notify, to) = value(2, "notify")?.split_once('/')?;
    let (kind, to) = to.split_once('.')?;
    let tid = (kind == "tid").then(|| to.parse().ok());
    let notify = match notify {
        "signal" => libc::SIGEV_SIGNAL,
        "none" => libc::SIGEV_NONE,
        "thread" => libc::SIGEV_THREAD,
        _ => return None,
    };
    Some(PosixTimer {
        id: value(0, "ID")?.parse().ok()?,
        clockid: value(3, "ClockID")?.parse().ok()?,
        notify: notify | if tid.is_some() { libc::SIGEV_THREAD_ID } else { 0 },
        signo: signo.parse().ok()?,
        sigval: Hex(u64::from_str_radix(sigval, 16).ok()?),
        tid: match tid {
            Some(tid) => Some(tid?),
            None => None,
        },
        overrun: 0,
        interval_ns: Hex(0),
        value_ns: Hex(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_as_the_kernel_prints_it() {
        let lines =
            ["ID: 7", "signal: 34/00007fff86e452a8", "notify: signal/tid.2634", "ClockID: -6"];
        let timer = parse(&lines).expect("four good lines");
        assert_eq!((timer.id, timer.signo, timer.clockid), (7, 34, -6));
        assert_eq!((timer.notify, timer.tid), (libc::SIGEV_THREAD_ID, Some(2634)));
        assert_eq!(timer.sigval, Hex(0x7fff86e452a8));
        assert!(parse(&lines[..3]).is_none());
    }
}
