//! One file for one description, however often it is open; owners and locks.

use super::{capture, Target};

#[test]
fn dup_shares_and_open_does_not() {
    let mut target = Target::python(
        "
a = os.open('file', os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
os.write(a, b'hello')
b = os.dup(a)
os.set_inheritable(b, True)
c = os.open('file', os.O_RDWR | os.O_APPEND)
os.lseek(c, 5, os.SEEK_SET)
",
    );
    let (a, b, c) = (target.ask("a"), target.ask("b"), target.ask("c"));
    let captured = target.capture();
    let of = |fd| captured.fd(&target.task, fd);
    assert_eq!(of(&a)["file"], of(&b)["file"]);
    assert_ne!(of(&a)["file"], of(&c)["file"]);
    assert_eq!((&of(&a)["cloexec"], &of(&b)["cloexec"]), (&true.into(), &false.into()));

    let file = captured.file(&target.task, &a);
    assert_eq!(file["kind"], "regular");
    assert_eq!(file["description"], true);
    assert_eq!(file["pos"], "0x5");
    assert_eq!(file["size"], "0x5");
    assert_eq!(file["flags"], libc::O_RDWR | libc::O_APPEND | 0o100000); // O_LARGEFILE
    assert_eq!(file["mode"].as_u64().unwrap() & 0o7777, 0o640);
    assert_eq!(file["path"], target.folder.0.join("file").to_str().unwrap());
    assert_eq!(file["path_ok"], true);
    assert_eq!(file["locks"], serde_json::json!([]));
    assert!(file.get("fown").is_none());
}

#[test]
fn a_fork_shares_and_later_opens_do_not() {
    let mut target = Target::python(
        "
shared = [os.open('/dev/null', os.O_RDONLY) for _ in range(50)]
events = [os.eventfd(0) for _ in range(50)]
child = os.fork()
if child == 0:
    own = os.open('/dev/null', os.O_RDONLY)
    wait_for_end()
    os._exit(0)
own = os.open('/dev/null', os.O_RDONLY)
wait_for_child()
",
    );
    let child = target.child("child");
    let own = target.ask("own");
    let numbers: Vec<i32> = (0..50)
        .flat_map(|n| [format!("shared[{n}]"), format!("events[{n}]")])
        .map(|e| target.ask(&e).parse().unwrap())
        .collect();
    let captured = capture(&[&target.task, &child]);
    let mut ids: Vec<_> = numbers
        .iter()
        .map(|fd| {
            let id = &captured.fd(&target.task, &fd.to_string())["file"];
            assert_eq!(id, &captured.fd(&child, &fd.to_string())["file"]);
            id.as_u64().unwrap()
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 100);
    assert_ne!(captured.fd(&target.task, &own)["file"], captured.fd(&child, &own)["file"]);
}

#[test]
fn owners() {
    let mut target = Target::python(
        "
r, w = os.pipe()
fcntl.fcntl(r, fcntl.F_SETOWN, -os.getpgrp())
fcntl.fcntl(r, fcntl.F_SETSIG, signal.SIGUSR1)
path = os.open('/', os.O_PATH)
",
    );
    let (r, path, pgrp) = (target.ask("r"), target.ask("path"), target.ask("os.getpgrp()"));
    let captured = target.capture();
    let owner = &captured.file(&target.task, &r)["fown"];
    assert_eq!(owner["pid_type"], 2);
    assert_eq!(owner["pid"], pgrp.parse::<i32>().unwrap());
    assert_eq!(owner["signum"], libc::SIGUSR1);
    let opath = captured.file(&target.task, &path);
    assert_eq!((&opath["kind"], opath.get("fown")), (&"directory".into(), None));
    assert_ne!(opath["flags"].as_i64().unwrap() & i64::from(libc::O_PATH), 0);
}

#[test]
fn locks_stay_and_are_told_with_their_holder() {
    let mut target = Target::python(
        "
a = os.open('file', os.O_RDWR | os.O_CREAT)
fcntl.lockf(a, fcntl.LOCK_EX, 10, 5)
fcntl.flock(a, fcntl.LOCK_SH)
child = os.fork()
if child == 0:
    fcntl.lockf(a, fcntl.LOCK_SH, 1, 100)
    wait_for_end()
    os._exit(0)
b = os.open('leased', os.O_RDONLY | os.O_CREAT)
fcntl.fcntl(b, fcntl.F_SETLEASE, fcntl.F_RDLCK)
wait_for_child()
",
    );
    let child = target.child("child");
    let (a, b) = (target.ask("a"), target.ask("b"));
    let captured = capture(&[&target.task, &child]);
    let locks = captured.file(&target.task, &a)["locks"].as_array().unwrap();
    let one = |kind: &str, pid: i32, mode: &str, start: &str, end: &str| {
        let lock = serde_json::json!({
            "kind": kind, "mode": mode, "pid": pid, "start": start, "end": end
        });
        assert!(locks.contains(&lock), "{lock} is not in {locks:?}");
    };
    one("POSIX", target.task.pid, "WRITE", "0x5", "0xe");
    one("POSIX", child.pid, "READ", "0x64", "0x64");
    one("FLOCK", target.task.pid, "READ", "0x0", "EOF");
    assert_eq!(locks.len(), 3);
    assert_eq!(captured.file(&target.task, &b)["locks"][0]["kind"], "LEASE");
}
