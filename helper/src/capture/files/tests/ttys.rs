//! Terminals: masters, slaves, sessions, and a slave whose master is gone.

use super::{bytes, capture, Target};
use serde_json::json;

#[test]
fn a_pair() {
    let mut target = Target::python(
        "
m, s = pty.openpty()
fcntl.ioctl(s, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 1, 2))
tty.setraw(s)
os.write(m, b'typed')
",
    );
    let (m, s) = (target.ask("m"), target.ask("s"));
    let name = target.ask("os.ttyname(s)");
    let captured = target.capture();
    let (master, slave) = (captured.file(&target.task, &m), captured.file(&target.task, &s));
    assert_eq!((&master["kind"], &slave["kind"]), (&json!("tty"), &json!("tty")));
    assert_eq!(master["detail"]["driver"], "ptmx");
    assert_eq!(slave["detail"]["driver"], "pts");
    assert_eq!(master["detail"]["index"], slave["detail"]["index"]);
    assert_eq!(format!("'/dev/pts/{}'", master["detail"]["index"]), name);
    assert_eq!(master["detail"]["locked"], false);
    assert_eq!(master["detail"]["real_dev"], slave["rdev"]);
    let size = json!({"row": 24, "col": 80, "xpixel": 1, "ypixel": 2});
    assert_eq!(slave["detail"]["winsize"], size);
    assert_eq!(bytes(&slave["detail"]["termios"]).len(), 44);
    assert_eq!(bytes(&slave["detail"]["termios_locked"]), [0; 36]);
    let lflag = &bytes(&slave["detail"]["termios"])[12..16];
    let lflag = u32::from_ne_bytes(lflag.try_into().unwrap());
    assert_eq!(lflag & libc::ICANON, 0);
    assert_eq!(
        (&slave["detail"]["unread"], &slave["detail"]["hung_up"]),
        (&5.into(), &false.into())
    );
    assert!(slave["detail"].get("sid").is_none());
    assert_eq!(target.ask("os.read(s, 10)"), "b'typed'");
}

#[test]
fn sessions_and_foreground_groups() {
    let mut target = Target::python(
        "
m, s = pty.openpty()
child = os.fork()
if child == 0:
    os.setsid()
    fcntl.ioctl(s, termios.TIOCSCTTY, 0)
    ctl = os.open('/dev/tty', os.O_RDWR)
    wait_for_end()
    os._exit(0)
wait_for_child()
",
    );
    let child = target.child("child");
    let (m, s) = (target.ask("m"), target.ask("s"));
    let captured = capture(&[&target.task, &child]);
    for fd in [&m, &s] {
        let detail = &captured.file(&target.task, fd)["detail"];
        assert_eq!((&detail["sid"], &detail["pgrp"]), (&child.pid.into(), &child.pid.into()));
    }
    let current = captured
        .files
        .iter()
        .find(|file| file["detail"]["driver"] == "tty")
        .expect("/dev/tty of the child");
    assert_eq!(current["detail"]["sid"], child.pid);
    assert_eq!(current["detail"]["real_dev"], captured.file(&target.task, &s)["rdev"]);
}

#[test]
fn a_slave_without_its_master() {
    let mut target = Target::python("m, s = pty.openpty(); os.close(m)");
    let s = target.ask("s");
    let captured = target.capture();
    let detail = &captured.file(&target.task, &s)["detail"];
    assert_eq!((&detail["driver"], &detail["hung_up"]), (&json!("pts"), &json!(true)));
    assert!(detail.get("termios").is_none());
}
