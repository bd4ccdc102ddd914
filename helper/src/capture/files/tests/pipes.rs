//! Pipes and fifos: their data is told and still there.

use super::{bytes, capture, Target};
use serde_json::json;

#[test]
fn data_in_flight_stays() {
    let mut target = Target::python(
        "
r, w = os.pipe()
fcntl.fcntl(w, 1031, 1 << 18)
os.write(w, b'one ')
os.write(w, b'two ')
os.write(w, b'x' * 100000)
",
    );
    let (r, w) = (target.ask("r"), target.ask("w"));
    let captured = target.capture();
    let file = captured.file(&target.task, &r);
    assert_eq!((&file["kind"], &file["pipe"]), (&json!("pipe"), &json!(null)));
    assert!(file.get("path").is_none());
    let pipe = captured.pipe(file);
    assert_eq!(pipe, captured.pipe(captured.file(&target.task, &w)));
    assert_eq!((&pipe["capacity"], &pipe["peer_missing"]), (&json!(1 << 18), &json!(false)));
    let data = bytes(&pipe["data"]);
    assert_eq!((&data[..9], data.len()), (&b"one two x"[..], 100_008));
    assert!(pipe.get("packets").is_none());
    assert_eq!(target.ask("os.read(r, 10)"), "b'one two xx'");
    assert_eq!(target.ask("len(os.read(r, 1 << 20))"), "99998");
}

#[test]
fn a_full_pipe_and_another_after_it() {
    let mut target = Target::python(
        "
r, w = os.pipe()
os.set_blocking(w, False)
full = os.write(w, b'y' * (1 << 20))
r2, w2 = os.pipe()
os.write(w2, b'second')
",
    );
    let [r, r2, full] = ["r", "r2", "full"].map(|name| target.ask(name));
    let captured = target.capture();
    let data = |fd| bytes(&captured.pipe(captured.file(&target.task, fd))["data"]);
    assert_eq!(data(&r).len(), full.parse::<usize>().unwrap());
    assert_eq!(data(&r2), b"second");
}

#[test]
fn packets_keep_their_bounds() {
    let mut target = Target::python(
        "
r, w = os.pipe2(os.O_DIRECT)
os.write(w, b'abc')
os.write(w, b'de')
",
    );
    let r = target.ask("r");
    let captured = target.capture();
    let pipe = captured.pipe(captured.file(&target.task, &r));
    assert_eq!((&pipe["packet"], &pipe["packets"]), (&json!(true), &json!([3, 2])));
    assert_eq!(target.ask("os.read(r, 100)"), "b'abc'");
}

#[test]
fn ends_outside_and_ends_closed() {
    let mut target = Target::python(
        "
closed, w = os.pipe()
os.write(w, b'last words')
os.close(w)
broken_r, broken = os.pipe()
os.close(broken_r)
r, to_child = os.pipe()
child = os.fork()
if child == 0:
    os.close(r)
    wait_for_end()
    os._exit(0)
os.close(to_child)
wait_for_child()
",
    );
    let child = target.child("child");
    let [closed, broken, r] = ["closed", "broken", "r"].map(|name| target.ask(name));
    let missing = |captured: &super::Captured, fd: &str| {
        captured.pipe(captured.file(&target.task, fd))["peer_missing"].as_bool().unwrap()
    };
    let alone = target.capture();
    assert!(!missing(&alone, &closed));
    assert!(!missing(&alone, &broken));
    assert!(missing(&alone, &r));
    assert!(missing(&alone, "0")); // the test holds its other end
    assert!(!missing(&capture(&[&target.task, &child]), &r));
}

#[test]
fn fifos() {
    let mut target = Target::python(
        "
os.mkfifo('fifo')
both = os.open('fifo', os.O_RDWR)
os.write(both, b'in it')
late = os.open('fifo', os.O_RDONLY | os.O_NONBLOCK)
os.mkfifo('lonely')
lonely = os.open('lonely', os.O_RDONLY | os.O_NONBLOCK)
os.mkfifo('dead')
dead = os.open('dead', os.O_RDWR)
os.unlink('dead')
",
    );
    let [both, late, lonely, dead] =
        ["both", "late", "lonely", "dead"].map(|name| target.ask(name));
    let captured = target.capture();
    let of = |fd| captured.file(&target.task, fd);
    assert_eq!(of(&both)["kind"], "fifo");
    assert_eq!(of(&both)["path"], target.folder.0.join("fifo").to_str().unwrap());
    assert_ne!(of(&both)["id"], of(&late)["id"]);
    assert_eq!(of(&both)["detail"], of(&late)["detail"]);
    assert_eq!(bytes(&captured.pipe(of(&late))["data"]), b"in it");
    assert_eq!(captured.pipe(of(&lonely))["peer_missing"], false);
    assert_eq!(of(&dead)["path_ok"], false);
    let ghost = &captured.facts.ghosts.ghosts[0];
    assert_eq!((ghost.inode.ino, &ghost.content), (ghost.inode.ino, &None));
    assert_eq!(target.ask("os.read(both, 10)"), "b'in it'");
}
