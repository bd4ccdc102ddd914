//! Unix sockets: peers, listeners, options, and queues that are told and still there.

use super::{bytes, capture, Target};
use crate::capture::files::FileTable;
use serde_json::{json, Value};

/// The data of a socket's packets.
pub fn data(file: &Value) -> Vec<Vec<u8>> {
    let queue = file["detail"]["queue"].as_array().unwrap();
    queue.iter().map(|packet| bytes(&packet["data"])).collect()
}

#[test]
fn a_stream_pair_with_data() {
    let mut target = Target::python(
        "
a, b = socket.socketpair()
a.send(b'one'); a.send(b'two')
b.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('qq', 2, 500000))
a.shutdown(socket.SHUT_WR)
",
    );
    let (a, b) = (target.ask("a.fileno()"), target.ask("b.fileno()"));
    let captured = target.capture();
    let (a, b) = (captured.file(&target.task, &a), captured.file(&target.task, &b));
    assert_eq!((&b["kind"], &b["detail"]["type"]), (&json!("unix"), &json!(libc::SOCK_STREAM)));
    assert_eq!((&b["detail"]["peer"], &a["detail"]["peer"]), (&a["ino"], &b["ino"]));
    assert_eq!((&b["detail"]["peer_in_tree"], &b["detail"]["state"]), (&true.into(), &1.into()));
    assert_eq!(data(b), [b"onetwo"]);
    assert!(data(a).is_empty());
    assert_eq!((&a["detail"]["shutdown"], &b["detail"]["shutdown"]), (&2.into(), &1.into()));
    assert_eq!(b["detail"]["opts"]["rcv_tmo_us"], format!("{:#x}", 2_500_000));
    assert_eq!(b["detail"]["rqlen"], 6);
    assert_eq!(target.ask("b.recv(100)"), "b'onetwo'");
}

#[test]
fn datagrams_keep_their_bounds_and_senders() {
    let mut target = Target::python(
        "
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
for d in [b'', b'one', b'', b'x' * 60000]: a.send(d)
server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); server.bind('\\0ckpt-%d' % os.getpid())
client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); client.bind('client')
client.connect('\\0ckpt-%d' % os.getpid())
client.send(b'hello')
server.setsockopt(socket.SOL_SOCKET, 42, 0)
",
    );
    let names = ["b.fileno()", "server.fileno()", "client.fileno()"];
    let [b, server, client] = names.map(|name| target.ask(name));
    let captured = target.capture();
    let sizes: Vec<_> = data(captured.file(&target.task, &b)).iter().map(Vec::len).collect();
    assert_eq!(sizes, [0, 3, 0, 60000]);
    let server = captured.file(&target.task, &server);
    assert_eq!(data(server), [b"hello"]);
    assert_eq!(server["detail"]["opts"]["peek_off"], 0);
    let from = bytes(&server["detail"]["queue"][0]["from"]);
    assert_eq!(from, [&[1, 0][..], b"client\0"].concat());
    let name = format!("\0ckpt-{}", target.task.pid);
    assert_eq!(bytes(&server["detail"]["name"]), name.as_bytes());
    let client = captured.file(&target.task, &client);
    assert_eq!(client["detail"]["peer"], server["ino"]);
    assert_eq!(client["path"], target.folder.0.join("client").to_str().unwrap());
    assert_eq!(target.ask("server.getsockopt(socket.SOL_SOCKET, 42)"), "0");
    assert_eq!(target.ask("b.getsockopt(socket.SOL_SOCKET, 42)"), "-1");
    assert_eq!(target.ask("[len(b.recv(99999)) for _ in range(4)]"), "[0, 3, 0, 60000]");
    assert_eq!(target.ask("server.recv(9)"), "b'hello'");
}

#[test]
fn records_up_to_the_end() {
    let mut target = Target::python(
        "
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
a.send(b'one'); a.send(b'two')
a.close()
",
    );
    let b = target.ask("b.fileno()");
    let captured = target.capture();
    let file = captured.file(&target.task, &b);
    assert_eq!(data(file), [b"one", b"two"]);
    assert_eq!((&file["detail"]["peer"], &file["detail"]["shutdown"]), (&"0x0".into(), &3.into()));
    assert_eq!(target.ask("[b.recv(9), b.recv(9), b.recv(9)]"), "[b'one', b'two', b'']");
}

#[test]
fn descriptors_in_a_queue_are_told_and_still_there() {
    let mut target = Target::python(
        "
a, b = socket.socketpair()
a.send(b'plain')
socket.send_fds(a, [b'with'], [0, 1])
a.send(b'after')
c, d = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
socket.send_fds(c, [b'd'], [0])
",
    );
    let (b, d) = (target.ask("b.fileno()"), target.ask("d.fileno()"));
    let captured = target.capture();
    let queue = |fd| captured.file(&target.task, fd)["detail"]["queue"].clone();
    let file = |fd| captured.fd(&target.task, fd)["file"].clone();
    assert_eq!(queue(&b)[0]["rights"], json!([file("0"), file("1")]));
    assert_eq!(data(captured.file(&target.task, &b)), [&b"plainwith"[..], b"after"]);
    assert_eq!(queue(&d)[0]["rights"], json!([file("0")]));
    assert_eq!(queue(&d)[0]["scm"], false);
    assert_eq!(target.ask("len(socket.recv_fds(b, 9, 9)[1])"), "2");
    assert_eq!(target.ask("b.recv(99)"), "b'after'");
    assert_eq!(target.ask("len(socket.recv_fds(d, 9, 9)[1])"), "1");
}

#[test]
fn files_that_are_open_in_a_queue_only() {
    let mut target = Target::python(
        "
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
c, d = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
counter = os.eventfd(42)
socket.send_fds(c, [b'inner'], [counter])
socket.send_fds(a, [b'outer'], [b.fileno(), d.fileno()])
d.close()
os.close(counter)
",
    );
    let b = target.ask("b.fileno()");
    let captured = target.capture();
    let [own, travels] = captured
        .facts
        .files
        .iter()
        .find_map(|file| {
            let file = serde_json::to_value(file).unwrap();
            let rights = &file["detail"]["queue"][0]["rights"];
            (rights.as_array()?.len() == 2).then(|| [rights[0].clone(), rights[1].clone()])
        })
        .unwrap();
    assert_eq!(own, captured.fd(&target.task, &b)["file"]);
    let inner = &captured.files[travels.as_u64().unwrap() as usize - 1]["detail"]["queue"][0];
    let counter = &captured.files[inner["rights"][0].as_u64().unwrap() as usize - 1];
    assert_eq!(counter["detail"]["count"], "0x2a");
    assert_eq!(target.ask("len(socket.recv_fds(b, 9, 9)[1])"), "2");
}

#[test]
fn listeners_and_who_waits_at_them() {
    let mut target = Target::python(
        "
l = socket.socket(socket.AF_UNIX); l.bind('listener'); os.chmod('listener', 0o751); l.listen(5)
c = socket.socket(socket.AF_UNIX); c.connect('listener'); c.send(b'early')
accepted_c = socket.socket(socket.AF_UNIX)
l2 = socket.socket(socket.AF_UNIX); l2.bind(os.getcwd() + '/l2'); l2.listen(1)
accepted_c.connect('l2'); accepted, _ = l2.accept()
os.unlink('l2')
",
    );
    let names = ["l.fileno()", "c.fileno()", "l2.fileno()", "accepted.fileno()"];
    let [l, c, l2, accepted] = names.map(|name| target.ask(name));
    let captured = target.capture();
    let of = |fd| captured.file(&target.task, fd);
    let (listener, client) = (of(&l), of(&c));
    let detail = &listener["detail"];
    assert_eq!(
        (&detail["state"], &detail["backlog"], &detail["rqlen"]),
        (&10.into(), &5.into(), &1.into())
    );
    assert_eq!(detail["icons"], json!([client["ino"]]));
    assert_eq!(bytes(&detail["name"]), b"listener\0");
    assert_eq!((&listener["path_ok"], &detail["bound_mode"]), (&true.into(), &0o140751.into()));
    assert_eq!(listener["path"], target.folder.0.join("listener").to_str().unwrap());
    assert_eq!(
        (&client["detail"]["peer"], &client["detail"]["shutdown"]),
        (&"0x0".into(), &0.into())
    );
    assert!(client["detail"]["wqlen"].as_u64().unwrap() > 0);
    assert_eq!((&of(&l2)["path_ok"], &of(&l2)["detail"]["rqlen"]), (&false.into(), &0.into()));
    assert_eq!(of(&accepted)["detail"]["name"], of(&l2)["detail"]["name"]);
    assert_eq!(target.ask("l.accept()[0].recv(9)"), "b'early'");
}

#[test]
fn peers_outside_the_tree() {
    let mut target = Target::python(
        "
child_end, own = socket.socketpair()
name = '\\0ckpt-peer-%d' % os.getpid()
server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); server.bind(name)
child = os.fork()
if child == 0:
    own.close(); server.close()
    client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); client.connect(name)
    wait_for_end()
    os._exit(0)
child_end.close()
wait_for_child()
",
    );
    let child = target.child("child");
    let name = target.ask("name");
    let captured = capture(&[&child]);
    let opened = captured.opened(&child);
    let unix: Vec<_> = opened.into_iter().filter(|file| file["kind"] == "unix").collect();
    assert_eq!(unix.len(), 2);
    assert!(unix.iter().all(|file| file["detail"]["peer_in_tree"] == false));
    let named = unix.iter().find_map(|file| file["detail"].get("peer_name")).unwrap();
    assert_eq!(format!("'\\x00{}'", String::from_utf8_lossy(&bytes(named)[1..])), name);
}

#[test]
fn urgent_data_is_refused_not_lost() {
    let target = Target::python(
        "a, b = socket.socketpair(); a.send(b'ab'); a.send(b'!', socket.MSG_OOB); a.send(b'cd')",
    );
    match FileTable::default().capture(&target.task, &Default::default()) {
        Ok(()) => panic!("captured"),
        Err(error) => assert!(error.message.contains("urgent"), "{}", error.message),
    }
}
