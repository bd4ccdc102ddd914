//! Internet sockets: listeners, options, and UDP queues that are told and still there.

use super::sockets::data;
use super::{bytes, Target};

#[test]
fn a_tcp_listener() {
    let mut target = Target::python(
        "
l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
l.bind(('127.0.0.1', 0)); l.listen(7)
l.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 33)
l.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 9))
c = socket.create_connection(l.getsockname())
l6 = socket.socket(socket.AF_INET6); l6.setsockopt(41, 26, 1); l6.bind(('::1', 0)); l6.listen(1)
new = socket.socket()
",
    );
    let names = ["l.fileno()", "l6.fileno()", "new.fileno()", "c.fileno()"];
    let [l, l6, new, c] = names.map(|name| target.ask(name));
    let port: u16 = target.ask("l.getsockname()[1]").parse().unwrap();
    let captured = target.capture();
    let of = |fd| &captured.file(&target.task, fd)["detail"];
    let listener = of(&l);
    assert_eq!(captured.file(&target.task, &l)["kind"], "inet");
    assert_eq!(
        (&listener["family"], &listener["proto"]),
        (&libc::AF_INET.into(), &libc::IPPROTO_TCP.into())
    );
    assert_eq!(
        (&listener["state"], &listener["backlog"], &listener["rqlen"]),
        (&10.into(), &7.into(), &1.into())
    );
    assert_eq!((bytes(&listener["src"]), &listener["sport"]), (vec![127, 0, 0, 1], &port.into()));
    assert_eq!((bytes(&listener["dst"]), &listener["dport"]), (vec![0; 4], &0.into()));
    assert_eq!(
        (&listener["opts"]["reuseaddr"], &listener["opts"]["keepidle"]),
        (&true.into(), &33.into())
    );
    assert_eq!((&listener["opts"]["linger"], &listener["ip"]["ttl"]), (&9.into(), &64.into()));
    assert_eq!((&of(&l6)["v6only"], bytes(&of(&l6)["src"]).len()), (&true.into(), 16));
    assert_eq!((&of(&new)["state"], &of(&new)["sport"]), (&7.into(), &0.into()));
    assert_eq!((&of(&c)["state"], &of(&c)["dport"]), (&1.into(), &port.into()));
}

#[test]
fn udp_sockets() {
    let mut target = Target::python(
        "
a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); a.bind(('127.0.0.1', 0))
b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); b.bind(('127.0.0.1', 0))
b.connect(a.getsockname())
for d in [b'one', b'', b'three']: b.send(d)
b.shutdown(socket.SHUT_WR)
",
    );
    let (a, b) = (target.ask("a.fileno()"), target.ask("b.fileno()"));
    let captured = target.capture();
    let (a, b) = (captured.file(&target.task, &a), captured.file(&target.task, &b));
    assert_eq!(data(a), [&b"one"[..], b"", b"three"]);
    let port = b["detail"]["sport"].as_u64().unwrap() as u16;
    let from = bytes(&a["detail"]["queue"][0]["from"]);
    assert_eq!(u16::from_be_bytes([from[2], from[3]]), port);
    assert_eq!((&a["detail"]["state"], &b["detail"]["state"]), (&7.into(), &1.into()));
    assert_eq!((&a["detail"]["shutdown"], &b["detail"]["shutdown"]), (&0.into(), &2.into()));
    assert_eq!(target.ask("[a.recv(9) for _ in range(3)]"), "[b'one', b'', b'three']");
}

#[test]
fn an_error_that_waits_is_not_taken() {
    let mut target = Target::python(
        "
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); probe.bind(('127.0.0.1', 0))
a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); a.connect(probe.getsockname())
probe.close()
a.send(b'x')
time.sleep(0.05)
",
    );
    let a = target.ask("a.fileno()");
    let captured = target.capture();
    assert!(data(captured.file(&target.task, &a)).is_empty());
    assert_eq!(target.ask("a.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)"), "111");
}
