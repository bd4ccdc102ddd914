//! The only file with unsafe code: system calls that no crate in use wraps.
#![allow(unsafe_code)]

// ---- Tasks: pidfd, kcmp, waiting, ptrace (freeze.rs, remote.rs, capture/*) ----

use nix::errno::Errno;
use nix::sys::signal::{
    sigaction, SaFlags, SigAction, SigEvent, SigHandler, SigSet, SigevNotify, Signal,
};
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::sys::wait::{waitpid, WaitPidFlag};
use nix::time::ClockId;
use nix::unistd::{gettid, Pid};
use std::cmp::Ordering;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// pidfd_open(2): refers to this very process whatever becomes of its number.
pub fn pidfd_open(pid: i32) -> nix::Result<OwnedFd> {
    // SAFETY: takes integers only; a result that is not an error is a descriptor of ours.
    unsafe {
        let fd = Errno::result(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

/// pidfd_send_signal(2).
pub fn pidfd_send_signal(pidfd: BorrowedFd, signo: i32) -> nix::Result<()> {
    let fd = pidfd.as_raw_fd();
    // SAFETY: without a siginfo there is no pointer.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signo, 0usize, 0) };
    Errno::result(result).map(drop)
}

/// What kcmp(2) compares; the kernel's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Kcmp {
    Vm = 1,
    Files = 2,
    Fs = 3,
    Sighand = 4,
}

/// kcmp(2): a total order over the kernel's objects; `Equal` means one and the same.
pub fn kcmp(a: i32, b: i32, what: Kcmp) -> nix::Result<Ordering> {
    // SAFETY: takes integers only.
    let result = unsafe { libc::syscall(libc::SYS_kcmp, a, b, what as i32, 0usize, 0usize) };
    Ok(match Errno::result(result)? {
        0 => Ordering::Equal,
        1 => Ordering::Less,
        _ => Ordering::Greater,
    })
}

/// What a tracee has to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// In a ptrace-stop: the signal, and above it in the second byte the event.
    Stopped(i32),
    Ended,
}

/// Have waits of this thread come to an end every `period`, as long as the timer lives. Only there
/// does its signal, SIGALRM, get through, which is blocked from now on.
pub fn tick(period: Duration) -> nix::Result<Timer> {
    extern "C" fn ignore(_: libc::c_int) {}
    let action = SigAction::new(SigHandler::Handler(ignore), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(Signal::SIGALRM, &action)? };
    SigSet::from(Signal::SIGALRM).thread_block()?;
    let to_us = SigevNotify::SigevThreadId {
        signal: Signal::SIGALRM,
        thread_id: gettid().as_raw(),
        si_value: 0,
    };
    let mut timer = Timer::new(ClockId::CLOCK_MONOTONIC, SigEvent::new(to_us))?;
    timer.set(Expiration::Interval(period.into()), TimerSetTimeFlags::empty())?;
    Ok(timer)
}

/// waitid(2) until a thread has something to report; None at a tick. A stop stays unreported to the
/// kernel's mind (WNOWAIT): should we die, a signal that the thread stopped to take is taken, and
/// not lost.
pub fn wait_report(tid: i32) -> nix::Result<Option<Report>> {
    let flags = libc::WSTOPPED | libc::WEXITED | libc::WNOWAIT | libc::__WALL;
    let ticks = SigSet::from(Signal::SIGALRM);
    ticks.thread_unblock()?;
    // SAFETY: the kernel fills the siginfo, of which nothing is read but what waitid gives it.
    let (waited, info) = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        (Errno::result(libc::waitid(libc::P_PID, tid as u32, &mut info, flags)), info)
    };
    ticks.thread_block()?;
    match waited {
        Err(Errno::EINTR) => Ok(None),
        Err(errno) => Err(errno),
        Ok(_) if matches!(info.si_code, libc::CLD_TRAPPED | libc::CLD_STOPPED) => {
            // SAFETY: waitid fills in the status.
            Ok(Some(Report::Stopped(unsafe { info.si_status() })))
        }
        Ok(_) => {
            let _ = waitpid(Pid::from_raw(tid), Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG));
            Ok(Some(Report::Ended))
        }
    }
}

/// The ptrace requests that go on: with a signal number (real-time ones too), or 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Resume {
    Continue = libc::PTRACE_CONT,
    Syscall = libc::PTRACE_SYSCALL,
    Detach = libc::PTRACE_DETACH,
}

/// ptrace(2): let a stopped tracee go on.
pub fn ptrace_resume(tid: i32, how: Resume, signo: i32) -> nix::Result<()> {
    // SAFETY: these requests take integers only.
    let result = unsafe { libc::ptrace(how as libc::c_uint, tid, 0usize, signo as usize) };
    Errno::result(result).map(drop)
}

/// ptrace(2) with a request whose `data` points to a `T` that the kernel reads or fills.
fn ptrace_with<T>(request: u32, tid: i32, addr: usize, data: &mut T) -> nix::Result<i64> {
    // SAFETY: private; every caller pairs the request with the type that ptrace(2) gives it.
    let result = unsafe { libc::ptrace(request, tid, addr, std::ptr::from_mut(data)) };
    Errno::result(result)
}

/// PTRACE_GETREGSET of NT_X86_XSTATE: the first `size` bytes of the XSAVE area in the standard
/// format, or fewer if it is smaller.
pub fn ptrace_xstate(tid: i32, size: usize) -> nix::Result<Vec<u8>> {
    const NT_X86_XSTATE: usize = 0x202;
    let mut area = vec![0u8; size];
    let mut iov = libc::iovec { iov_base: area.as_mut_ptr().cast(), iov_len: area.len() };
    ptrace_with(libc::PTRACE_GETREGSET, tid, NT_X86_XSTATE, &mut iov)?;
    area.truncate(iov.iov_len);
    Ok(area)
}

/// PTRACE_GETSIGMASK: the mask that holds once a temporary one (sigsuspend) is gone.
pub fn ptrace_sigmask(tid: i32) -> nix::Result<u64> {
    let mut mask = 0u64;
    ptrace_with(libc::PTRACE_GETSIGMASK, tid, size_of::<u64>(), &mut mask)?;
    Ok(mask)
}

/// PTRACE_SETSIGMASK.
pub fn ptrace_set_sigmask(tid: i32, mut mask: u64) -> nix::Result<()> {
    ptrace_with(libc::PTRACE_SETSIGMASK, tid, size_of::<u64>(), &mut mask).map(drop)
}

/// Bytes of a siginfo_t.
pub const SIGINFO: usize = 128;

/// PTRACE_PEEKSIGINFO: signals queued to the thread, or to its process if `shared`, from the
/// `skip`th on; a few at a time, none at the end.
pub fn ptrace_siginfo(tid: i32, shared: bool, skip: u64) -> nix::Result<Vec<[u8; SIGINFO]>> {
    let flags = if shared { libc::PTRACE_PEEKSIGINFO_SHARED } else { 0 };
    let mut queue = [[0u8; SIGINFO]; 8];
    let args = libc::ptrace_peeksiginfo_args { off: skip, flags, nr: queue.len() as i32 };
    // SAFETY: the kernel reads `args` and fills at most `nr` elements, which `queue` has.
    let result = unsafe { libc::ptrace(libc::PTRACE_PEEKSIGINFO, tid, &args, queue.as_mut_ptr()) };
    Ok(queue[..Errno::result(result)? as usize].to_vec())
}

/// PTRACE_GET_RSEQ_CONFIGURATION; `rseq_abi_pointer` is 0 if none is registered. Linux 5.13.
pub fn ptrace_rseq(tid: i32) -> nix::Result<libc::ptrace_rseq_configuration> {
    // SAFETY: plain numbers, for which zero is a value.
    let mut rseq: libc::ptrace_rseq_configuration = unsafe { std::mem::zeroed() };
    ptrace_with(libc::PTRACE_GET_RSEQ_CONFIGURATION, tid, size_of_val(&rseq), &mut rseq)?;
    Ok(rseq)
}

/// PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG: is it on? Linux 6.4.
pub fn ptrace_user_dispatch(tid: i32) -> nix::Result<bool> {
    let mut config = libc::ptrace_sud_config { mode: 0, selector: 0, offset: 0, len: 0 };
    let size = size_of_val(&config);
    ptrace_with(libc::PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, tid, size, &mut config)?;
    Ok(config.mode != 0)
}

/// get_robust_list(2): head and length.
pub fn robust_list(tid: i32) -> nix::Result<(u64, u64)> {
    let (mut head, mut len) = (0u64, 0u64);
    // SAFETY: both outlive the call and have the size of what the kernel writes.
    let result = unsafe { libc::syscall(libc::SYS_get_robust_list, tid, &mut head, &mut len) };
    Errno::result(result).map(|_| (head, len))
}

/// sched_setscheduler(2) of the calling thread.
pub fn sched_setscheduler(policy: i32, priority: i32) -> nix::Result<()> {
    let param = libc::sched_param { sched_priority: priority };
    // SAFETY: the kernel reads `param`, which is a whole sched_param.
    Errno::result(unsafe { libc::sched_setscheduler(0, policy, &param) }).map(drop)
}

/// Have the calling thread go after all others: setpriority(2), where 0 is the thread.
pub fn be_nice() {
    const LAST: i32 = 19;
    // SAFETY: takes integers only. It cannot fail: nobody needs a right to step back.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, LAST) };
}

/// sched_getattr(2).
pub fn sched_getattr(tid: i32) -> nix::Result<libc::sched_attr> {
    // SAFETY: plain numbers, for which zero is a value; the size passed is the structure's.
    unsafe {
        let mut attr: libc::sched_attr = std::mem::zeroed();
        let size = size_of_val(&attr);
        Errno::result(libc::syscall(libc::SYS_sched_getattr, tid, &mut attr, size, 0))?;
        Ok(attr)
    }
}

/// clock_gettime(2), in nanoseconds.
pub fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` outlives the call; the clocks asked for exist on every kernel.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// memmem(3): where `needle` first occurs. The standard library has it for text only.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let (start, pattern) = (haystack.as_ptr(), needle.as_ptr());
    // SAFETY: both ranges are slices; what is found points into the first.
    unsafe {
        let found = libc::memmem(start.cast(), haystack.len(), pattern.cast(), needle.len());
        (!found.is_null()).then(|| found.cast::<u8>().offset_from(start) as usize)
    }
}

/// XCR0: the state components that the kernel lets tasks use.
#[allow(unused_unsafe)] // these became safe functions after Rust 1.85
pub fn xcr0() -> u64 {
    #[target_feature(enable = "xsave")]
    unsafe fn xgetbv() -> u64 {
        // SAFETY: only called where CPUID says that XGETBV is there.
        unsafe { std::arch::x86_64::_xgetbv(0) }
    }
    const OSXSAVE: u32 = 1 << 27;
    // SAFETY: every x86-64 has CPUID; XGETBV is there where OSXSAVE is set.
    unsafe {
        match std::arch::x86_64::__cpuid(1).ecx & OSXSAVE {
            0 => 3, // x87 and SSE
            _ => xgetbv(),
        }
    }
}

/// CPUID leaf 0xD: size and offset of an XSAVE component in the standard format.
#[allow(unused_unsafe)] // this became a safe function after Rust 1.85
pub fn xsave_component(bit: u32) -> (u32, u32) {
    // SAFETY: every x86-64 has CPUID; a leaf that is not there reads as zeros.
    let leaf = unsafe { std::arch::x86_64::__cpuid_count(0xd, bit) };
    (leaf.ebx, leaf.eax)
}

// ---- Files: descriptors of another task, what only they can be asked (capture/files/*) ----

/// pidfd_getfd(2): our own duplicate (O_CLOEXEC) of descriptor `fd` of another process.
pub fn pidfd_getfd(pidfd: BorrowedFd, fd: i32) -> nix::Result<OwnedFd> {
    // SAFETY: takes integers only; a result that is not an error is a descriptor of ours.
    unsafe {
        let fd = Errno::result(libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0))?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

fn kcmp_order(result: libc::c_long) -> nix::Result<Ordering> {
    Ok(match Errno::result(result)? {
        0 => Ordering::Equal,
        1 => Ordering::Less,
        _ => Ordering::Greater,
    })
}

/// kcmp(2) KCMP_FILE: the order of two open file descriptions, each a (pid, descriptor).
pub fn kcmp_file(a: (i32, i32), b: (i32, i32)) -> nix::Result<Ordering> {
    const KCMP_FILE: i32 = 0;
    // SAFETY: takes integers only.
    kcmp_order(unsafe { libc::syscall(libc::SYS_kcmp, a.0, b.0, KCMP_FILE, a.1, b.1) })
}

/// kcmp(2) KCMP_EPOLL_TFD: the order, the same as kcmp_file's, of description `a` and the one that
/// `epoll` watches as its `nth` member (from 0) of the number `tfd`.
pub fn kcmp_epoll(a: (i32, i32), epoll: (i32, i32), tfd: i32, nth: u32) -> nix::Result<Ordering> {
    const KCMP_EPOLL_TFD: i32 = 7;
    let slot = [epoll.1 as u32, tfd as u32, nth];
    // SAFETY: `slot` has the layout of struct kcmp_epoll_slot and outlives the call.
    kcmp_order(unsafe {
        libc::syscall(libc::SYS_kcmp, a.0, epoll.0, KCMP_EPOLL_TFD, a.1, slot.as_ptr())
    })
}

/// statx(2) of `path` below `dir`, or of `dir` itself when `path` is empty.
pub fn statx(dir: BorrowedFd, path: &std::ffi::CStr, flags: i32) -> nix::Result<libc::statx> {
    let mask = libc::STATX_BASIC_STATS | libc::STATX_MNT_ID;
    let mut stat = std::mem::MaybeUninit::<libc::statx>::zeroed();
    let flags = flags | libc::AT_EMPTY_PATH;
    // SAFETY: the path ends with NUL, `stat` has room for the result and is plain integers.
    unsafe {
        let path = path.as_ptr();
        let result = libc::statx(dir.as_raw_fd(), path, flags, mask, stat.as_mut_ptr());
        Errno::result(result)?;
        Ok(stat.assume_init())
    }
}

/// Who is sent SIGIO for a description: fcntl(2) F_GETOWN_EX, as (F_OWNER_*, pid).
pub fn fcntl_getown(fd: BorrowedFd) -> nix::Result<(i32, i32)> {
    const F_GETOWN_EX: i32 = 16;
    let mut owner = [0i32; 2];
    // SAFETY: `owner` has the layout of struct f_owner_ex.
    let result = unsafe { libc::fcntl(fd.as_raw_fd(), F_GETOWN_EX, owner.as_mut_ptr()) };
    Errno::result(result).map(|_| (owner[0], owner[1]))
}

/// fcntl(2) F_GETSIG: the signal sent instead of SIGIO, or 0.
pub fn fcntl_getsig(fd: BorrowedFd) -> nix::Result<i32> {
    const F_GETSIG: i32 = 11;
    // SAFETY: takes integers only.
    Errno::result(unsafe { libc::fcntl(fd.as_raw_fd(), F_GETSIG) })
}

/// fcntl(2) F_GETOWNER_UIDS: uid and euid of whoever called F_SETOWN.
pub fn fcntl_getowner_uids(fd: BorrowedFd) -> nix::Result<(u32, u32)> {
    const F_GETOWNER_UIDS: i32 = 17;
    let mut uids = [0u32; 2];
    // SAFETY: the kernel writes two uid_t.
    let result = unsafe { libc::fcntl(fd.as_raw_fd(), F_GETOWNER_UIDS, uids.as_mut_ptr()) };
    Errno::result(result).map(|_| (uids[0], uids[1]))
}

/// The ioctls that ask for one int, ioctl_tty(2), tty_ioctl(4), sock_diag(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum IntIoctl {
    /// Bytes that a read would find (SIOCINQ and TIOCINQ have the same number).
    Fionread = 0x541b,
    /// Bytes not yet taken by the network or the peer.
    Siocoutq = 0x5411,
    /// Of TCP: bytes never sent yet.
    Siocoutqnsd = 0x894b,
    /// The number of the pty behind a ptmx.
    Tiocgptn = 0x8004_5430,
    /// Whether that pty is locked.
    Tiocgptlck = 0x8004_5439,
    /// Packet mode.
    Tiocgpkt = 0x8004_5438,
    /// Exclusive mode.
    Tiocgexcl = 0x8004_5440,
    /// The device that is really behind /dev/tty or /dev/console; a master's slave.
    Tiocgdev = 0x8004_5432,
    /// Foreground process group.
    Tiocgpgrp = 0x540f,
    /// Session.
    Tiocgsid = 0x5429,
}

/// One of `IntIoctl`.
pub fn ioctl_int(fd: BorrowedFd, request: IntIoctl) -> nix::Result<i32> {
    let mut value = 0i32;
    // SAFETY: each of these requests writes one int.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), request as libc::c_ulong, &mut value) };
    Errno::result(result).map(|_| value)
}

/// TCGETS2: struct termios2, 44 bytes.
pub fn termios2(fd: BorrowedFd) -> nix::Result<[u8; 44]> {
    const TCGETS2: libc::c_ulong = 0x802c_542a;
    let mut termios = [0u8; 44];
    // SAFETY: the kernel writes a struct termios2, 44 bytes as the request's number says.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), TCGETS2, termios.as_mut_ptr()) };
    Errno::result(result).map(|_| termios)
}

/// TIOCGLCKTRMIOS: which bits of the settings are locked, a struct termios of 36 bytes.
pub fn termios_locked(fd: BorrowedFd) -> nix::Result<[u8; 36]> {
    const TIOCGLCKTRMIOS: libc::c_ulong = 0x5456;
    let mut termios = [0u8; 36];
    // SAFETY: the kernel writes its struct termios (asm-generic/termbits.h): 4 words, 20 bytes.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), TIOCGLCKTRMIOS, termios.as_mut_ptr()) };
    Errno::result(result).map(|_| termios)
}

/// TIOCGWINSZ: rows, columns, pixels in x and y.
pub fn winsize(fd: BorrowedFd) -> nix::Result<[u16; 4]> {
    let mut size = [0u16; 4];
    // SAFETY: struct winsize is four u16.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGWINSZ, size.as_mut_ptr()) };
    Errno::result(result).map(|_| size)
}

/// timerfd_gettime(2): what is left of it, in nanoseconds. It also counts what expired unread, and
/// starts a periodic timer again, which else happens only when that is read.
pub fn timerfd_gettime(fd: BorrowedFd) -> nix::Result<u64> {
    let mut time = std::mem::MaybeUninit::<libc::itimerspec>::zeroed();
    // SAFETY: `time` is the struct that the kernel fills, all integers.
    let left = unsafe {
        Errno::result(libc::timerfd_gettime(fd.as_raw_fd(), time.as_mut_ptr()))?;
        time.assume_init().it_value
    };
    Ok(left.tv_sec as u64 * 1_000_000_000 + left.tv_nsec as u64)
}

/// SIOCUNIXFILE: an O_PATH descriptor of the file that a unix socket is bound to. unix(7).
pub fn unix_file(socket: BorrowedFd) -> nix::Result<OwnedFd> {
    const SIOCUNIXFILE: libc::c_ulong = 0x89e0;
    // SAFETY: no argument; a result that is not an error is a descriptor of ours.
    unsafe {
        let fd = Errno::result(libc::ioctl(socket.as_raw_fd(), SIOCUNIXFILE))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// open_by_handle_at(2): an O_PATH descriptor of the inode that a handle leads to, on the file system
/// that `mount` is on.
pub fn open_by_handle(mount: BorrowedFd, kind: i32, handle: &[u8]) -> nix::Result<OwnedFd> {
    const LONGEST: usize = 128; // MAX_HANDLE_SZ
    #[repr(C)]
    struct FileHandle {
        bytes: u32,
        kind: i32,
        handle: [u8; LONGEST],
    }
    let mut file = FileHandle { bytes: handle.len() as u32, kind, handle: [0; LONGEST] };
    file.handle.get_mut(..handle.len()).ok_or(Errno::EOVERFLOW)?.copy_from_slice(handle);
    let flags = libc::O_PATH | libc::O_CLOEXEC;
    let pointer = (&raw mut file).cast();
    // SAFETY: the structure is laid out as the kernel's, with as many bytes as it says; a result
    // that is not an error is a descriptor of ours.
    unsafe {
        let fd = Errno::result(libc::open_by_handle_at(mount.as_raw_fd(), pointer, flags))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// getsockopt(2) into `value`; the length that the kernel gives.
pub fn getsockopt(fd: BorrowedFd, level: i32, name: i32, value: &mut [u8]) -> nix::Result<usize> {
    if (level, name) == (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER) {
        return Err(Errno::EINVAL); // counts instructions, not bytes: socket_filter
    }
    let mut length = value.len() as libc::socklen_t;
    let into = value.as_mut_ptr().cast();
    // SAFETY: the kernel writes at most `length` bytes, which are `value`'s.
    let result = unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, into, &mut length) };
    Errno::result(result).map(|_| length as usize)
}

/// SO_GET_FILTER: the classic BPF program of a socket, 8 bytes an instruction; empty for none.
/// EACCES: it is an eBPF program. net/core/filter.c, sk_get_filter.
pub fn socket_filter(fd: BorrowedFd) -> nix::Result<Vec<u8>> {
    const SO_GET_FILTER: i32 = libc::SO_ATTACH_FILTER;
    let (socket, level) = (fd.as_raw_fd(), libc::SOL_SOCKET);
    let mut count: libc::socklen_t = 0;
    let none = std::ptr::null_mut();
    // SAFETY: with a length of 0 the kernel only tells how many instructions there are; with that
    // count it writes 8 bytes for each, which `program` has, or fails should they be more by now.
    unsafe {
        Errno::result(libc::getsockopt(socket, level, SO_GET_FILTER, none, &mut count))?;
        let mut program = vec![0u8; count as usize * 8];
        if count > 0 {
            let into = program.as_mut_ptr().cast();
            Errno::result(libc::getsockopt(socket, level, SO_GET_FILTER, into, &mut count))?;
        }
        Ok(program)
    }
}

/// setsockopt(2) of an option that is an int.
pub fn setsockopt(fd: BorrowedFd, level: i32, name: i32, number: i32) -> nix::Result<()> {
    let value = std::ptr::from_ref(&number).cast();
    let size = std::mem::size_of::<i32>() as libc::socklen_t;
    // SAFETY: the kernel reads `size` bytes, which the number has.
    let result = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value, size) };
    Errno::result(result).map(drop)
}

/// What `peek` found at the head of a queue.
pub struct Peeked {
    /// Of the datagram, be it longer than the buffer; of a stream, what was copied.
    pub length: usize,
    /// MSG_CTRUNC, MSG_TRUNC ... as recvmsg(2) returns them.
    pub flags: i32,
    /// The sender's struct sockaddr, empty if it has none.
    pub from: Vec<u8>,
}

/// recvmsg(2) with MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC and no room for ancillary data, so that no
/// descriptor that travels in the queue is ever received: MSG_CTRUNC tells that there is some.
pub fn peek(fd: BorrowedFd, buffer: &mut [u8]) -> nix::Result<Peeked> {
    let mut from = vec![0u8; std::mem::size_of::<libc::sockaddr_storage>()];
    let mut iov = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT | libc::MSG_TRUNC | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: every pointer of the header is to memory of the given length that outlives the call.
    let (length, header) = unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_name = from.as_mut_ptr().cast();
        header.msg_namelen = from.len() as libc::socklen_t;
        header.msg_iov = &mut iov;
        header.msg_iovlen = 1;
        (Errno::result(libc::recvmsg(fd.as_raw_fd(), &mut header, flags))?, header)
    };
    from.truncate(header.msg_namelen as usize);
    Ok(Peeked { length: length as usize, flags: header.msg_flags, from })
}

/// What came with the bytes that `peek_ancillary` saw.
pub struct Ancillary {
    pub length: usize,
    /// Duplicates of the descriptors that travel (SCM_RIGHTS), ours to close.
    pub rights: Vec<OwnedFd>,
    /// Something else did too: credentials, a timestamp ...
    pub others: bool,
}

/// recvmsg(2) with MSG_PEEK | MSG_DONTWAIT and room for ancillary data. unix(7)
pub fn peek_ancillary(socket: BorrowedFd, buffer: &mut [u8]) -> nix::Result<Ancillary> {
    use nix::sys::socket::{recvmsg, ControlMessageOwned, MsgFlags};
    const ROOM: usize = 2048; // 253 descriptors (SCM_MAX_FD) and all there is beside them
    let mut space = vec![0; ROOM];
    let mut parts = [std::io::IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    let mut seen = Ancillary { length: message.bytes, rights: Vec::new(), others: false };
    for control in message.cmsgs()? {
        match control {
            // SAFETY: the kernel has just made these descriptors, and nobody else knows of them.
            ControlMessageOwned::ScmRights(fds) => unsafe {
                seen.rights.extend(fds.into_iter().map(|fd| OwnedFd::from_raw_fd(fd)));
            },
            _ => seen.others = true,
        }
    }
    Ok(seen)
}

// ---- Memory: which pages hold data (memory/*) ----

/// struct page_region: a range of addresses, and which of the categories asked for its pages have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PageRegion {
    pub start: u64,
    pub end: u64,
    pub categories: u64,
}

/// What PAGEMAP_SCAN looks for, in PAGE_IS_*: a page is told of if, once the `inverted` of its
/// categories are flipped, it has all of `all` and, where that is not 0, one of `any`.
#[derive(Clone, Copy, Debug, Default)]
pub struct PageQuery {
    pub inverted: u64,
    pub all: u64,
    pub any: u64,
    /// Tell these of each region; pages that differ in them are different regions.
    pub told: u64,
    /// Write-protect the pages that are told of, for a userfaultfd with WP_ASYNC to see the next
    /// write (PM_SCAN_WP_MATCHING). Where there is none, pages are passed over.
    pub protect: bool,
}

/// ioctl PAGEMAP_SCAN on /proc/PID/pagemap: ascending regions of the pages between two addresses
/// that match; how many. If that is all there is room for, there may be more above the last one's
/// end: the kernel's own walk_end can lie below it (seen in 6.18). ioctl_pagemap_scan in
/// Documentation/admin-guide/mm/pagemap.rst; ENOTTY before Linux 6.7.
pub fn pagemap_scan(
    pagemap: BorrowedFd,
    (start, end): (u64, u64),
    query: &PageQuery,
    regions: &mut [PageRegion],
) -> nix::Result<usize> {
    const PAGEMAP_SCAN: libc::c_ulong = 0xc060_6610;
    let (vec, vec_len) = (regions.as_mut_ptr() as u64, regions.len() as u64);
    // struct pm_scan_arg: size, flags, start, end, walk_end, vec, vec_len, max_pages,
    // category_inverted, category_mask, category_anyof_mask, return_mask
    let PageQuery { inverted, all, any, told, protect } = *query;
    let mut argument =
        [96, u64::from(protect), start, end, 0, vec, vec_len, 0, inverted, all, any, told];
    // SAFETY: the argument has the structure's 96 bytes; the kernel writes at most `vec_len`
    // regions, which are plain integers, at `vec`.
    let result = unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN, argument.as_mut_ptr()) };
    Errno::result(result).map(|n| n as usize)
}

// ---- Userfaultfd: pages of another process, filled in as it needs them (serve/*) ----

/// What a userfaultfd tells; UFFD_EVENT_* of linux/userfaultfd.h. Addresses in bytes.
#[derive(Debug)]
pub enum UffdEvent {
    /// A thread waits for this page.
    Fault(u64),
    /// A child has got a copy of the address space, which has a userfaultfd of its own.
    Fork(OwnedFd),
    Remap {
        from: u64,
        to: u64,
        length: u64,
    },
    /// Emptied (madvise), or no longer mapped.
    Gone {
        start: u64,
        end: u64,
    },
}

/// Read what a userfaultfd has to tell, `most` messages of it. EAGAIN: nothing.
pub fn uffd_read(uffd: BorrowedFd, most: usize) -> nix::Result<Vec<UffdEvent>> {
    const SIZE: usize = 32; // struct uffd_msg
    let mut bytes = vec![0u8; most * SIZE];
    let length = nix::unistd::read(uffd, &mut bytes)?;
    bytes.truncate(length);
    Ok(bytes.chunks_exact(SIZE).filter_map(uffd_event).collect())
}

fn uffd_event(message: &[u8]) -> Option<UffdEvent> {
    let word = |at: usize| {
        let bytes = message[at..at + 8].try_into();
        bytes.map_or(0, u64::from_ne_bytes)
    };
    match message[0] {
        0x12 => Some(UffdEvent::Fault(word(16))),
        // SAFETY: the kernel made this descriptor for us when the message was read.
        0x13 => Some(UffdEvent::Fork(unsafe { OwnedFd::from_raw_fd(word(8) as u32 as i32) })),
        0x14 => Some(UffdEvent::Remap { from: word(8), to: word(16), length: word(24) }),
        0x15 | 0x16 => Some(UffdEvent::Gone { start: word(8), end: word(16) }),
        _ => None,
    }
}

/// What pages are filled with.
#[derive(Clone, Copy)]
pub enum Fill<'a> {
    /// These bytes: whole pages.
    Copy(&'a [u8]),
    Zero,
    /// Whoever touches the page gets a SIGBUS (Linux 6.6).
    Poison,
}

/// UFFDIO_COPY, UFFDIO_ZEROPAGE or UFFDIO_POISON: fill missing pages and wake those who wait for
/// them. Bytes that were, and what stopped it before `length`.
pub fn uffd_fill(uffd: BorrowedFd, start: u64, length: u64, fill: Fill) -> (u64, Option<Errno>) {
    const COPY: libc::c_ulong = 0xc028_aa03;
    const ZEROPAGE: libc::c_ulong = 0xc020_aa04;
    const POISON: libc::c_ulong = 0xc020_aa08;
    let (request, mut words, told) = match fill {
        Fill::Copy(bytes) if bytes.len() as u64 != length => return (0, Some(Errno::EINVAL)),
        // struct uffdio_copy: dst, src, len, mode, copy
        Fill::Copy(bytes) => (COPY, [start, bytes.as_ptr() as u64, length, 0, 0], 4),
        // struct uffdio_zeropage, uffdio_poison: start, len, mode, and how much it was
        Fill::Zero => (ZEROPAGE, [start, length, 0, 0, 0], 3),
        Fill::Poison => (POISON, [start, length, 0, 0, 0], 3),
    };
    // SAFETY: the argument is as long as each request's number says; the kernel reads `length`
    // bytes at the source, which there are, and fills memory that was missing, hence nobody's.
    let result = unsafe { libc::ioctl(uffd.as_raw_fd(), request, words.as_mut_ptr()) };
    let errno = Errno::result(result).err();
    let done = (words[told] as i64).max(0) as u64;
    (if errno.is_none() { length } else { done.min(length) }, errno)
}

/// Whether the process has ended, of which nothing else tells. UFFDIO_CONTINUE is ESRCH then; else it
/// does nothing, for it is about mapped files: private anonymous memory has none.
pub fn uffd_is_dead(uffd: BorrowedFd) -> bool {
    const CONTINUE: libc::c_ulong = 0xc020_aa07;
    let mut words = [0x10000u64, 0x1000, 0, 0]; // struct uffdio_continue: start, len, mode, mapped
                                                // SAFETY: the argument is as long as the request's number says.
    let result = unsafe { libc::ioctl(uffd.as_raw_fd(), CONTINUE, words.as_mut_ptr()) };
    Errno::result(result).err() == Some(Errno::ESRCH)
}

/// UFFDIO_WAKE: whoever waits for these pages looks again.
pub fn uffd_wake(uffd: BorrowedFd, start: u64, length: u64) -> nix::Result<()> {
    const WAKE: libc::c_ulong = 0x8010_aa02;
    let mut range = [start, length];
    // SAFETY: the argument is a struct uffdio_range.
    Errno::result(unsafe { libc::ioctl(uffd.as_raw_fd(), WAKE, range.as_mut_ptr()) }).map(drop)
}

/// What userfaultfd(2) is called with where faults of the kernel are to be told as well, which
/// takes privileges.
pub const UFFD: i32 = libc::O_CLOEXEC | libc::O_NONBLOCK;
/// And where they are not: anybody may.
pub const UFFD_USER_MODE_ONLY: i32 = UFFD | 1;

/// userfaultfd(2) of our own address space, with UFFDIO_API done for `features`; it, and all the
/// features that there are. Errors: `EINVAL` if it has not all of those.
pub fn uffd_open(flags: i32, features: u64) -> nix::Result<(OwnedFd, u64)> {
    // SAFETY: takes integers only; a result that is not an error is a descriptor of ours.
    let uffd = unsafe {
        let fd = Errno::result(libc::syscall(libc::SYS_userfaultfd, flags))?;
        OwnedFd::from_raw_fd(fd as i32)
    };
    let features = uffd_api(uffd.as_fd(), features)?;
    Ok((uffd, features))
}

/// The handshake of a new userfaultfd, whosever memory it is for; all the features that there are.
pub fn uffd_api(uffd: BorrowedFd, features: u64) -> nix::Result<u64> {
    const API: libc::c_ulong = 0xc018_aa3f;
    let mut api = [0xaa, features, 0u64];
    // SAFETY: the argument is a struct uffdio_api: api, features, ioctls.
    Errno::result(unsafe { libc::ioctl(uffd.as_raw_fd(), API, api.as_mut_ptr()) })?;
    Ok(api[1])
}

/// UFFDIO_REGISTER for write-protection, of all mappings in a range that begins in one. Errors:
/// `EBUSY` if another userfaultfd has one of them, `EPERM` and `EINVAL` for kinds that cannot be,
/// `ENOMEM` if the memory is gone (execve(2), exit), or the kernel has none.
pub fn uffd_register_wp(uffd: BorrowedFd, start: u64, end: u64) -> nix::Result<()> {
    const REGISTER: libc::c_ulong = 0xc020_aa00;
    const MODE_WP: u64 = 2;
    let mut argument = [start, end - start, MODE_WP, 0];
    // SAFETY: the argument is a struct uffdio_register: start, len, mode, ioctls.
    Errno::result(unsafe { libc::ioctl(uffd.as_raw_fd(), REGISTER, argument.as_mut_ptr()) })
        .map(drop)
}

/// UFFDIO_UNREGISTER, which lifts the write-protection too.
pub fn uffd_unregister(uffd: BorrowedFd, start: u64, end: u64) -> nix::Result<()> {
    const UNREGISTER: libc::c_ulong = 0x8010_aa01;
    let mut range = [start, end - start];
    // SAFETY: the argument is a struct uffdio_range.
    Errno::result(unsafe { libc::ioctl(uffd.as_raw_fd(), UNREGISTER, range.as_mut_ptr()) })
        .map(drop)
}

/// A descriptor that our parent gave us, if it did. To be called once for each.
pub fn inherited(fd: i32) -> nix::Result<OwnedFd> {
    // SAFETY: fcntl takes integers only; nobody here opened or owns this descriptor.
    unsafe {
        Errno::result(libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// close_range(2): have nothing open from this descriptor on. To be called before anything is opened.
pub fn close_from(fd: u32) -> nix::Result<()> {
    // SAFETY: takes integers only; nobody here opened or owns these descriptors.
    Errno::result(unsafe { libc::syscall(libc::SYS_close_range, fd, u32::MAX, 0) }).map(drop)
}

/// recvmsg(2) without waiting: bytes into `buffer`, how many, and the descriptors that came along.
/// More than one is none: whatever else was sent is closed.
pub fn receive(socket: BorrowedFd, buffer: &mut [u8]) -> nix::Result<(usize, Option<OwnedFd>)> {
    use nix::sys::socket::{recvmsg, ControlMessageOwned, MsgFlags};
    let mut space = nix::cmsg_space!([i32; 2]);
    let mut parts = [std::io::IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    let mut received = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = control {
            // SAFETY: the kernel made these descriptors for us when the message was received.
            received.extend(fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    let one = received.pop().filter(|_| received.is_empty());
    Ok((message.bytes, one))
}

/// accept4(2) with SOCK_CLOEXEC.
pub fn accept(listener: BorrowedFd) -> nix::Result<OwnedFd> {
    use nix::sys::socket::{accept4, SockFlag};
    let fd = accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC)?;
    // SAFETY: the kernel made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
