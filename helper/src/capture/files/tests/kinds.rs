//! Anonymous inodes, memfds, and what is not handled.

use super::{capture, Target};
use crate::capture::files::fact::Kind;
use serde_json::json;

#[test]
fn eventfds() {
    let mut target = Target::python("a = os.eventfd(7); b = os.eventfd(3, os.EFD_SEMAPHORE)");
    let (a, b) = (target.ask("a"), target.ask("b"));
    let captured = target.capture();
    let of = |fd| captured.file(&target.task, fd);
    assert_eq!(of(&a)["kind"], "eventfd");
    assert_eq!(of(&a)["detail"], json!({"count": "0x7", "semaphore": false}));
    assert_eq!(of(&b)["detail"], json!({"count": "0x3", "semaphore": true}));
    assert_eq!(target.ask("os.eventfd_read(a)"), "7");
}

#[test]
fn timerfds() {
    let mut target = Target::python(
        "
a = libc.timerfd_create(time.CLOCK_MONOTONIC, 0)
spec = struct.pack('qqqq', 60, 5, 1000, 0)
libc.timerfd_settime(a, 0, spec, None)
b = libc.timerfd_create(time.CLOCK_REALTIME, 0)
libc.timerfd_settime(b, 1, struct.pack('qqqq', 0, 0, 1, 0), None)
time.sleep(0.05)
",
    );
    let (a, b) = (target.ask("a"), target.ask("b"));
    let captured = target.capture();
    let detail = &captured.file(&target.task, &a)["detail"];
    assert_eq!(detail["clockid"], libc::CLOCK_MONOTONIC);
    assert_eq!(detail["interval_ns"], format!("{:#x}", 60_000_000_005u64));
    let left = u64::from_str_radix(&detail["value_ns"].as_str().unwrap()[2..], 16).unwrap();
    assert!(left < 1_000_000_000_000 && left > 900_000_000_000, "{left}");
    let detail = &captured.file(&target.task, &b)["detail"];
    assert_eq!((&detail["ticks"], &detail["settime_flags"]), (&json!("0x1"), &json!(1)));
    assert_eq!(target.ask("os.read(b, 8)"), r"b'\x01\x00\x00\x00\x00\x00\x00\x00'");
}

#[test]
fn a_periodic_timer_that_expired_unread_goes_on() {
    let mut target = Target::python(
        "
a = libc.timerfd_create(time.CLOCK_MONOTONIC, 0)
libc.timerfd_settime(a, 0, struct.pack('qqqq', 0, 50000000, 0, 1000000), None)
time.sleep(0.22)
",
    );
    let a = target.ask("a");
    let captured = target.capture();
    let detail = &captured.file(&target.task, &a)["detail"];
    let number =
        |name: &str| u64::from_str_radix(&detail[name].as_str().unwrap()[2..], 16).unwrap();
    assert!(number("ticks") >= 5, "{detail}");
    let left = number("value_ns");
    assert!(left > 0 && left <= 50_000_000, "{detail}");
    let read: u64 = target.ask("int.from_bytes(os.read(a, 8), 'little')").parse().unwrap();
    assert!(read >= number("ticks") && read < number("ticks") + 20, "{read} {detail}");
}

#[test]
fn signalfds() {
    let mut target = Target::python(
        "
mask = ctypes.c_uint64(1 << 9 | 1 << 63)
a = libc.signalfd(-1, ctypes.byref(ctypes.create_string_buffer(bytes(mask), 128)), 0)
",
    );
    let a = target.ask("a");
    let captured = target.capture();
    let file = captured.file(&target.task, &a);
    assert_eq!(file["kind"], "signalfd");
    assert_eq!(file["detail"], json!({"sigmask": "0x8000000000000200"}));
}

#[test]
fn memfds() {
    let mut target = Target::python(
        "
a = os.memfd_create('a name', os.MFD_ALLOW_SEALING)
os.write(a, b'x' * 5000)
fcntl.fcntl(a, 1033, 4)
fake = os.open('/dev/shm/memfd:fake', os.O_RDWR | os.O_CREAT | os.O_EXCL)
os.unlink('/dev/shm/memfd:fake')
",
    );
    let (a, fake) = (target.ask("a"), target.ask("fake"));
    let captured = target.capture();
    let file = captured.file(&target.task, &a);
    assert_eq!(file["kind"], "memfd");
    assert_eq!(file["detail"], json!({"name": "a name", "seals": 4, "hugetlb": false}));
    assert_eq!(file["size"], "0x1388");
    assert!(file.get("path").is_none());
    assert_eq!(captured.file(&target.task, &fake)["kind"], "regular");
    assert_eq!(captured.facts.ghosts.ghosts.len(), 1);
}

#[test]
fn memfds_of_huge_pages() {
    let mut target = Target::python(
        "
try: a = os.memfd_create('huge', os.MFD_HUGETLB)
except OSError: a = -1
",
    );
    let a = target.ask("a");
    if a == "-1" {
        eprintln!("skipped: this kernel has no hugetlbfs");
        return;
    }
    let captured = target.capture();
    let file = captured.file(&target.task, &a);
    assert_eq!(file["kind"], "memfd");
    assert_eq!(
        (&file["detail"]["name"], &file["detail"]["hugetlb"]),
        (&"huge".into(), &true.into())
    );
}

#[test]
fn epolls_find_what_they_watch_by_description() {
    let mut target = Target::python(
        "
ep = select.epoll()
a, b = os.eventfd(0), os.eventfd(0)
ep.register(a, select.EPOLLIN | select.EPOLLET)
kept = os.dup(b)
ep.register(b, select.EPOLLOUT)
os.close(b)
assert os.eventfd(0) == b
s, peer = socket.socketpair()
ep.register(s, select.EPOLLIN)
gone_in, gone_out = os.pipe()
ep.register(gone_in, select.EPOLLIN)
child = os.fork()
if child == 0:
    ep.close()
    wait_for_end()
    os._exit(0)
os.close(gone_in)
fd = ep.fileno()
wait_for_child()
",
    );
    let child = target.child("child");
    let names = ["fd", "a", "b", "kept", "s.fileno()", "gone_in"];
    let [fd, a, b, kept, s, gone] = names.map(|name| target.ask(name));
    let alone = target.capture();
    let id = |captured: &super::Captured, fd| captured.fd(&target.task, fd)["file"].clone();
    let member = |captured: &super::Captured, tfd: &str| {
        let members = captured.file(&target.task, &fd)["detail"]["members"].clone();
        let tfd: i32 = tfd.parse().unwrap();
        members.as_array().unwrap().iter().find(|member| member["tfd"] == tfd).unwrap().clone()
    };
    let first = member(&alone, &a);
    assert_eq!(first["file"], id(&alone, &a));
    let always = libc::EPOLLERR | libc::EPOLLHUP; // the kernel adds these
    let events = libc::EPOLLIN | libc::EPOLLET | always;
    assert_eq!(first["events"], format!("{:#x}", events as u32));
    assert_eq!(member(&alone, &b)["file"], id(&alone, &kept));
    assert_eq!(member(&alone, &s)["file"], id(&alone, &s));
    assert!(member(&alone, &gone).get("file").is_none());
    let whole = capture(&[&target.task, &child]);
    assert_eq!(member(&whole, &gone)["file"], whole.fd(&child, &gone)["file"]);
}

#[test]
fn watches_have_names_once_they_were_looked_for() {
    let mut target = Target::python(
        "
a = libc.inotify_init()
libc.inotify_add_watch(a, b'.', 0x100)
os.mkdir('sub')
",
    );
    let a = target.ask("a");
    let mut captured = target.capture();
    let detail = &captured.file(&target.task, &a)["detail"];
    let (watch, unread) = (&detail["watches"][0], detail["unread"].as_i64().unwrap());
    assert_eq!((&watch["wd"], &watch["mask"], watch.get("path")), (&1.into(), &0x100.into(), None));
    assert!(unread >= 20, "the event of sub: {unread} bytes");
    captured.facts.complete();
    let names = captured.facts.files.iter().filter_map(|file| match &file.kind {
        Kind::Inotify(inotify) => inotify.watches[0].watched.path.as_deref(),
        _ => None,
    });
    assert_eq!(names.collect::<Vec<_>>(), [target.folder.0.to_str().unwrap()]);
}

#[test]
fn pidfds() {
    let mut target = Target::python(
        "
a = os.pidfd_open(os.getpid())
child = os.fork()
if child == 0: os._exit(0)
b = os.pidfd_open(child)
os.waitpid(child, 0)
",
    );
    let (a, b) = (target.ask("a"), target.ask("b"));
    let captured = target.capture();
    let pid = |fd| captured.file(&target.task, fd)["detail"]["pid"].clone();
    assert_eq!((pid(&a), pid(&b)), (target.task.pid.into(), (-1).into()));
}

#[test]
fn what_is_not_handled_is_other() {
    let mut target = Target::python(
        "
a = libc.syscall(321, 0, ctypes.byref((ctypes.c_uint * 20)(2, 4, 8, 4)), 80) # bpf(2), BPF_MAP_CREATE
b = os.open('/proc/self/ns/net', os.O_RDONLY)
c = libc.syscall(425, 4, bytes(120)) # io_uring_setup(2)
nl = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
d = nl.fileno()
e = os.open('/dev/zero', os.O_RDWR)
",
    );
    let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(|name| target.ask(name));
    let captured = target.capture();
    for fd in [&a, &b, &c, &d] {
        let file = captured.file(&target.task, fd);
        assert_eq!((&file["kind"], &file["detail"]), (&json!("other"), &json!({})));
        assert!(!file["link"].as_str().unwrap().is_empty());
    }
    let zero = captured.file(&target.task, &e);
    assert_eq!((&zero["kind"], &zero["path"]), (&json!("char"), &json!("/dev/zero")));
    assert_eq!(zero["rdev"], libc::makedev(1, 5));
}
