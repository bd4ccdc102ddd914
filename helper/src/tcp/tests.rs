//! On real connections of our own, over the loopback interface.

use super::lock::Lock;
use super::read::{self, in_repair, reuse};
use super::repairer::Repairer;
use super::{Connection, Ends};
use crate::sys;
use nix::libc::{SOL_TCP, TCP_REPAIR};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

fn of(stream: &TcpStream) -> Connection {
    Connection {
        dup: stream.as_fd().try_clone_to_owned().unwrap(),
        ino: 1,
        ends: Ends::new((&[127, 0, 0, 1], 1), (&[127, 0, 0, 1], 2)),
        pid: 1,
        object: "fd 3 -> socket:[1]".to_owned(),
    }
}

fn is_in_repair(stream: &TcpStream) -> bool {
    let mut value = [0; 4];
    sys::getsockopt(stream.as_fd(), SOL_TCP, TCP_REPAIR, &mut value).unwrap();
    i32::from_ne_bytes(value) != 0
}

fn privileged() -> bool {
    let (client, _server) = connected();
    let on = sys::setsockopt(client.as_fd(), SOL_TCP, TCP_REPAIR, 1);
    if on.is_err() {
        println!("SKIP: needs CAP_NET_ADMIN");
    }
    on.is_ok()
}

#[test]
fn both_ends_fit_and_stay_as_they_are() {
    if !privileged() {
        return;
    }
    let (mut client, mut server) = connected();
    client.write_all(b"not read yet").unwrap();
    let before = reuse(client.as_fd()).unwrap();
    let (a, unread) = in_repair(client.as_fd(), before).unwrap();
    let (b, waiting) = in_repair(server.as_fd(), before).unwrap();
    assert_eq!((unread, waiting), (0, 12));
    assert!(a.fits(&b) && b.fits(&a));
    assert_eq!((a.state, a.write_seq), (1, b.rcv_nxt));
    let b = read::stream(&of(&server), (b, waiting)).unwrap();
    assert_eq!(b.inq.0, b"not read yet");
    assert!(!is_in_repair(&client) && !is_in_repair(&server));
    assert_eq!(reuse(client.as_fd()).unwrap(), before);
    let mut read = [0; 12];
    server.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"not read yet");
}

#[test]
fn what_a_repairer_left_that_died_is_undone() {
    if !privileged() {
        return;
    }
    let (client, _server) = connected();
    sys::setsockopt(client.as_fd(), SOL_TCP, TCP_REPAIR, 1).unwrap();
    assert!(is_in_repair(&client));
    let mut repairer = Repairer::run("true").unwrap(); // which ends at once
    assert!(repairer.read(&of(&client)).is_err());
    assert!(!is_in_repair(&client));
}

#[test]
fn a_send_queue_is_told_whole() {
    if !privileged() {
        return;
    }
    let (mut client, mut server) = connected();
    client.set_nonblocking(true).unwrap();
    let mut written = 0;
    while let Ok(n) = client.write(&[7; 65536]) {
        written += n;
    }
    let start = Instant::now();
    let (stream, _) = in_repair(client.as_fd(), 0).unwrap();
    println!("{} bytes in repair mode for {:?}", stream.outq.0.len(), start.elapsed());
    let mut received = 0;
    server.set_nonblocking(true).unwrap();
    let mut buffer = [0; 65536];
    while let Ok(n) = server.read(&mut buffer) {
        received += n;
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(stream.outq.0.len() <= written && stream.unsent as usize <= stream.outq.0.len());
    assert!(stream.outq.0.iter().all(|&byte| byte == 7));
    assert!(received > 0);
}

#[test]
fn a_lock_drops_packets_and_goes_with_its_holder() {
    if !privileged() {
        return;
    }
    let (mut client, mut server) = connected();
    let ends = (client.local_addr().unwrap().port(), client.peer_addr().unwrap().port());
    let mut connection = of(&client);
    connection.ends = Ends::new((&[127, 0, 0, 1], ends.0), (&[127, 0, 0, 1], ends.1));
    let lock = Lock::of("CRIU-ckpt-test", &[connection]).unwrap().unwrap();
    server.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    client.write_all(b"locked").unwrap();
    let mut read = [0; 6];
    assert!(server.read(&mut read).is_err());
    drop(lock);
    server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    server.read_exact(&mut read).unwrap(); // sent again
    assert_eq!(&read, b"locked");
}
