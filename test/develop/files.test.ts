// Files of every kind, and what is refused among them.
import { statSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Files } from '../../src/develop/files/index.js';
import { developLocks } from '../../src/develop/files/locks.js';
import { HugePages } from '../../src/develop/hugetlb.js';
import type { DevelopOptions } from '../../src/develop/options.js';
import { encode } from '../../src/images/encode.js';
import { fd_types } from '../../src/images/gen/fdinfo.js';
import type {
  FanotifyMark,
  FileLock,
  FdsFrame,
  FileFrame,
  GhostFrame,
  PipeFrame,
  Stream,
} from '../../src/helper/protocol.js';
import { refused } from './refused.js';
import { facts, file, ghost, PID, sockOpts, task, tcpOpts, tree, unix, vma } from './sample.js';

type Other = FdsFrame | GhostFrame | PipeFrame;

/** The tree's files, of which the last ones are these. */
function develop(files: FileFrame[], others: Other[] = [], options: DevelopOptions = {}): Files {
  const huge = new HugePages({ hugetlb: [[0x11, 21]] });
  const developed = new Files(facts([...tree(...files), ...others]), huge, options, true);
  for (const entry of developed.entries) encode('file_entry', entry);
  return developed;
}

/** The entry of one file. */
function one(frame: FileFrame, ...others: Other[]) {
  return develop([frame], others).entries.find(({ id }) => id === frame.id)!;
}

const pipe = (changes: Partial<PipeFrame> = {}): PipeFrame => ({
  ...{ t: 'pipe', ino: '0x20', capacity: 65536, data: '', packet: false, peer_missing: false },
  ...changes,
});

test('a regular file has its size to be checked, unless it is a log', () => {
  const { reg } = one(file('regular', { pos: '0x10' }));
  assert.equal([reg!.name, reg!.size, reg!.pos, reg!.flags], ['/some/file', '0x400', '0x10', 2]);
  assert.is(one(file('regular', { flags: 0o2001 })).reg!.size, undefined);
  assert.is(one(file('directory')).reg!.size, undefined);
});

test('a path that is only mapped or executed is opened as the mapping says', () => {
  const { reg } = one(file('regular', { description: false, flags: 2, pos: '0x10' }));
  assert.equal([reg!.flags, reg!.pos], [0, 0]);
});

test('what lies outside of a chroot is looked up from our own root', () => {
  const { dev, ino, rdev } = statSync('/dev/null');
  const outside = { link: '/dev/null', dev, rdev, path_ok: undefined };
  assert.is(one(file('char', { ...outside, ino: `0x${ino.toString(16)}` })).reg!.name, '/dev/null');
  refused(() => one(file('char', { ...outside, ino: '0x1' })), /another file/);
  refused(() => one(file('char', { ...outside, link: '/nowhere' })), /another file/);
});

test('owners of signals are kept', () => {
  const fown = { uid: 1, euid: 2, signum: 29, pid_type: 1, pid: PID };
  assert.equal(one(file('regular', { fown })).reg!.fown, fown);
});

test('only devices of memory are opened by name', () => {
  assert.is(one(file('char', { rdev: 0x103 })).type, fd_types.REG);
  refused(
    () => one(file('char', { rdev: 0xa80, link: '/dev/kvm' })),
    /fd 3 -> \/dev\/kvm: .* 10:128/,
  );
  refused(() => one(file('block', { rdev: 0xfe00 })), /block 254:0/);
});

test('deleted files become ghosts, one for all that lead to them', () => {
  const deleted = { nlink: 0, link: '/tmp/x (deleted)', ino: '0x77', uid: 5 };
  const files = [file('regular', deleted), file('regular', { ...deleted, id: 4 })];
  const { ghosts, entries } = develop(files, [ghost()]);
  assert.equal(ghosts.remaps, [
    { orig_id: 3, remap_id: 1, remap_type: 1 },
    { orig_id: 4, remap_id: 1, remap_type: 1 },
  ]);
  const [{ id, entry, content }] = ghosts.all as [(typeof ghosts.all)[0]];
  assert.equal([id, content, entry.dev, entry.uid], [1, 'ghost-1', 0xfe00000, 5]);
  assert.equal(
    [entry.atim, entry.mtim],
    [
      { tv_sec: 7, tv_usec: 5 },
      { tv_sec: 8, tv_usec: 999999 },
    ],
  );
  assert.is(entries.find((e) => e.id === 3)!.reg!.name, '/tmp/x');
});

test('the holes of a deleted file are not filled', () => {
  const deleted = file('regular', { nlink: 0, link: '/tmp/x (deleted)', ino: '0x77' });
  const chunksOf = (changes: Partial<GhostFrame>) =>
    develop([deleted], [ghost(changes)]).ghosts.all[0]!;
  assert.is(chunksOf({}).chunks, undefined);
  const sparse = chunksOf({ size: '0x3000', extents: [0, 4096, 8192, 4096] });
  assert.equal([sparse.entry.chunks, sparse.entry.size], [true, '0x3000']);
  assert.equal(sparse.chunks, [
    { offset: 0, length: 4096 },
    { offset: 8192, length: 4096 },
  ]);
  assert.equal(chunksOf({ size: '0x1000', extents: undefined }).chunks, []);
});

test('deleted files that were not copied are refused', () => {
  const deleted = file('regular', { nlink: 0, link: '/tmp/x (deleted)' });
  const large = ghost({ ino: '0x30', too_large: true, content: undefined });
  refused(() => one(deleted, large), /fd 3 -> \/tmp\/x \(deleted\): .*--ghost-limit/);
  refused(() => one(deleted), /could not be copied/);
  refused(() => one(file('regular', { path_ok: false })), /its name was removed/);
});

test('a file of a process is found again with it, or with a stand-in', () => {
  const { dev } = statSync('/proc');
  const link = '/proc/4242/status';
  const gone = develop([file('regular', { dev, link, path_ok: false })]);
  assert.equal(gone.procfs.remaps, [{ orig_id: 3, remap_id: 4242, remap_type: 2 }]);
  assert.equal(develop([file('regular', { dev, link: `/proc/${PID}/stat` })]).procfs.remaps, []);
  refused(() => one(file('regular', { dev, link })), /process 4242, which is outside/);
  const another = { dev, link: `/proc/${PID}/stat`, path_ok: false };
  refused(() => one(file('regular', another)), /another file/);
  refused(() => one(file('regular', { link, path_ok: false })), /another file/);
});

test('a pidfd is of a process of the tree, or of none', () => {
  const { pidfd } = one(file('pidfd', { flags: 0o4002, ino: '0x100000007' }));
  assert.equal([pidfd!.nspid, pidfd!.flags, pidfd!.ino], [PID, 0o4000, 7]);
  const gone = develop([file('pidfd', { detail: { pid: -1 } })]);
  assert.is(gone.entries.at(-1)!.pidfd!.nspid, -1);
  assert.match(gone.warnings[0]!, /exit status/);
  refused(() => one(file('pidfd', { detail: { pid: 4242 } })), /process 4242.*outside/);
  refused(() => one(file('pidfd', { flags: 0o202 })), /PIDFD_THREAD/);
});

test('watches are found again by their names', () => {
  const bytes = Buffer.from('0102030405060708ff', 'hex').toString('base64');
  const watched = { dev: 0xfe00, ino: '0x2a', handle: { type: 1, bytes }, path: '/etc' };
  const watch = { ...watched, wd: 3, mask: 0x4000100 };
  const { entries, warnings } = develop([
    file('inotify', { detail: { unread: 16, watches: [watch] } }),
  ]);
  const [wd] = entries.at(-1)!.ify!.wd!;
  assert.equal([wd!.wd, wd!.mask, wd!.s_dev, wd!.i_ino], [3, 0x100, 0xfe00000, '0x2a']);
  const { handle, ...rest } = wd!.f_handle;
  assert.equal(rest, { bytes: 9, type: 1, path: '/etc' });
  assert.equal([handle!.length, handle![0], handle![1]], [16, 0x0807060504030201n, 0xffn]);
  assert.match(warnings.join('\n'), /16 bytes of events.*\n.*IN_EXCL_UNLINK/);
  const refusedWatch = (changes: object) => () =>
    one(file('inotify', { detail: { watches: [{ ...watch, ...changes }] } }));
  refused(refusedWatch({ mask: 0x80000100 }), /IN_ONESHOT/);
  refused(refusedWatch({ path: undefined }), /inode 42 of device 254:0/);
});

test('marks are of inodes or mounts', () => {
  const mark = { mark_flags: 0x40, mask: 1, ignored_mask: 0x20 };
  const of = (changes: FanotifyMark) => one(file('fanotify', { detail: { marks: [changes] } }));
  const watched = { dev: 0xfe00, ino: '0x2a', path: '/etc' } as const;
  const { ie, ...inode } = of({ ...mark, of: 'inode', ...watched }).ffy!.mark![0]!;
  assert.equal([inode.type, inode.mflags, inode.mask, inode.ignored_mask], [1, 0x40, 1, 0x20]);
  assert.equal([ie!.i_ino, ie!.f_handle.path], ['0x2a', '/etc']);
  refused(() => of({ ...mark, of: 'mount', mnt_id: 0x7fffffff }), /mount 2147483647/);
  refused(() => of({ ...mark, of: 'other' }), /neither on an inode nor on a mount/);
  refused(() => of({ ...mark, mark_flags: 0x400, of: 'mount', mnt_id: 1 }), /flags.*400/);
});

test('a pipe is developed at both ends, its data once', () => {
  const reader = file('pipe', { flags: 0o4000, link: 'pipe:[32]' });
  const writer = file('pipe', { id: 4, flags: 0o1, link: 'pipe:[32]' });
  const frame = pipe({ data: Buffer.from('in flight').toString('base64') });
  const { entries, pipeData } = develop([writer, reader], [frame]);
  assert.equal(
    entries.slice(-2).map(({ pipe }) => [pipe!.pipe_id, pipe!.flags]),
    [
      [32, 1],
      [32, 0o4000],
    ],
  );
  assert.equal(pipeData, [[{ pipe_id: 32, bytes: 9, size: 65536 }, Buffer.from('in flight')]]);
  assert.is(develop([writer], [pipe()]).pipeData.length, 0);
});

test('a pipe that leads out of the tree needs to be declared', () => {
  const end = file('pipe', { link: 'pipe:[32]' });
  const outside = pipe({ peer_missing: true });
  refused(() => one(end, outside), /fd 3 -> pipe:\[32\]: .*--external 'pipe:\[32\]'/);
  develop([end], [outside], { external: ['pipe:[32]'] });
  refused(() => one(end, pipe({ packet: true })), /packet mode/);
});

test('a fifo is opened by a file of its own', () => {
  const { entries, fifoData } = develop([file('fifo', { link: '/tmp/fifo' })], [pipe()]);
  const fifo = entries.find(({ type }) => type === fd_types.FIFO)!;
  const door = entries.find(({ id }) => id === fifo.fifo!.regf_id)!;
  assert.equal([door.reg!.name, door.id, fifo.id], ['/tmp/fifo', 4, 3]);
  assert.is(fifoData.length, 1);
});

test('event counters, signals and timers', () => {
  assert.is(one(file('eventfd')).efd!.counter, '0x2a');
  assert.is(one(file('signalfd')).sgfd!.sigmask, '0x400000800');
  const { isec, insec, ticks } = one(file('timerfd')).tfd!;
  assert.equal([isec, insec, ticks], [1n, 500n, '0x2']);
  refused(() => one(file('eventfd', { detail: { semaphore: true } })), /EFD_SEMAPHORE/);
  refused(() => one(file('eventfd', { detail: { count: '0x100000000' } })), /beyond 32 bits/);
});

test('an epoll names descriptors as they are now', () => {
  const member = {
    events: '0x80000019',
    data: '0x1122334455667788',
    dev: 15,
    ino: '0x20',
    pos: '0x0',
  };
  const members = [
    { ...member, tfd: 99, file: 4 },
    { ...member, tfd: 3, file: 3 },
  ];
  const epoll = file('epoll', { id: 5, detail: { members } });
  const files = [file('eventfd'), file('eventfd', { id: 4 }), epoll];
  const { tfd } = develop(files).entries.at(-1)!.epfd!;
  assert.equal(
    tfd!.map((watched) => [watched.tfd, watched.events]),
    [
      [3, 0x80000019],
      [4, 0x80000019],
    ],
  );
  const lost = file('epoll', { detail: { members: [{ ...member, tfd: 8 }] } });
  refused(() => one(lost), /fd 3 -> .*once descriptor 8/);
});

test('memfds and shared memory are inodes, each once', () => {
  const files = [file('memfd', { ino: '0x40' }), file('memfd', { ino: '0x40', id: 4 })];
  const all = facts([...tree(...files), { t: 'shmem', ino: '0x41', size: '0x2000' }]);
  const developed = new Files(all, new HugePages({ hugetlb: [[0x11, 21]] }), {});
  const segment = vma({ shmem: '0x41', shmem_kind: 'anon', name: '/dev/zero (deleted)' });
  const backings = [1, 2].map(() => developed.backing(segment, task()));
  assert.equal(backings, [
    { id: 5, memfd: true },
    { id: 5, memfd: true },
  ]);
  assert.equal(developed.backing(vma({ shmem: '0x40', file: 4 }), task()), { id: 4, memfd: true });
  assert.is(developed.backing(vma(), task()), undefined);
  const inodes = developed.memfds.all;
  assert.equal(
    inodes.map(({ name, shmid, seals, hugetlb_flag }) => [name, shmid, seals, hugetlb_flag]),
    [
      ['sample', 0x40, 1, undefined],
      ['/dev/zero', 0x41, 1, undefined],
    ],
  );
  assert.equal(
    developed.entries.slice(-3).map(({ memfd }) => memfd!.inode_id),
    [1, 1, 2],
  );
});

test("a memfd's huge pages have their size", () => {
  const { memfds } = develop([file('memfd', { dev: 0x11, detail: { hugetlb: true } })]);
  assert.is(memfds.all[0]!.hugetlb_flag, 0x54000004);
});

const words = (values: number[]) => Buffer.from(Uint32Array.from(values).buffer);

test('a terminal has an entry for each end, and a file for its name', () => {
  const termios = Buffer.concat([
    words([0x500, 5, 0xbf, 0x8a3b]),
    Buffer.of(0, 3, 0x1c, 0x7f, 0x15),
  ]);
  const detail = { sid: PID, pgrp: PID, termios: termios.toString('base64') };
  const slave = file('tty', { link: '/dev/pts/3', rdev: 0x8803, detail });
  const master = file('tty', { id: 4, link: '/dev/ptmx', detail: { ...detail, driver: 'ptmx' } });
  const { entries, ttys } = develop([slave, master]);
  assert.equal([...ttys.keys()].sort(), [6, 7]);
  const { termios: settings, pty, winsize } = ttys.get(6)!;
  assert.equal([settings!.c_iflag, settings!.c_lflag, pty], [0x500, 0x8a3b, { index: 3 }]);
  assert.equal(settings!.c_cc!.slice(0, 2), [0x157f1c03, 0]);
  assert.is(winsize!.ws_col, 80);
  const tty = entries.find(({ id }) => id === 3)!.tty!;
  assert.is(entries.find(({ id }) => id === tty.regf_id)!.reg!.name, '/dev/pts/3');
});

test("terminals of others are a shell's job", () => {
  const slave = (detail: object) => file('tty', { link: '/dev/pts/3', detail });
  refused(() => one(slave({ sid: 50 })), /terminal of session 50 .*--shell-job/);
  refused(() => one(slave({ sid: PID })), /other end is outside .*--shell-job/);
  const { ttys } = develop([slave({ sid: 50, hung_up: true })]);
  assert.is(ttys.get(6)!.termios, undefined);
  develop([slave({ sid: 50 })], [], { shellJob: true });
  refused(() => one(file('tty', { detail: { driver: 'serial' } })), /of a kind/);
});

test('a peer outside is connected to again by its name, or given', () => {
  const peer_name = Buffer.from('/run/log\0').toString('base64');
  const outside = { peer: '0x99', peer_in_tree: false, type: 2, peer_name };
  const socket = (changes = {}) => file('unix', { detail: unix({ ...outside, ...changes }) });
  const twice = [socket(), { ...socket(), id: 4, ino: '0x42' }];
  const { entries } = develop(twice, [], { extUnixSk: true });
  const extern = entries.filter(({ usk }) => usk?.uflags === 1).map(({ usk }) => usk!);
  assert.equal(
    extern.map(({ ino, peer, type, name }) => [ino, peer, type, `${Buffer.from(name)}`]),
    [[0x99, 0, 2, '/run/log\0']],
  );
  refused(() => develop([socket()]), /--ext-unix-sk/);
  const name = Buffer.from('relative\0').toString('base64');
  const lost = [socket({ type: 1 }), socket({ peer_name: undefined }), socket({ peer_name: name })];
  for (const one of lost) {
    const given = `unix[${BigInt(one.ino)}]`;
    const refusal = new RegExp(`outside.*--external '${given.replace(/[[\]]/g, '\\$&')}'`);
    refused(() => develop([one], [], { extUnixSk: true }), refusal);
    assert.is(develop([one], [], { external: [given] }).entries.at(-1)!.usk!.peer, 0x99);
  }
});

test('who sent descriptors comes behind who gets them', () => {
  const data = Buffer.from('x').toString('base64');
  const queue = [{ data, scm: false, rights: [1] }];
  const sender = file('unix', { ino: '0x40', detail: unix({ peer: '0x41' }) });
  const receiver = file('unix', { id: 4, ino: '0x41', detail: unix({ peer: '0x40', queue }) });
  const { entries, queues, warnings } = develop([sender, receiver]);
  assert.equal(
    entries.slice(-2).map(({ id }) => id),
    [4, 3],
  );
  assert.equal(queues[0]![0].scm, [{ type: 1, rights: [1] }]);
  assert.equal(warnings, []);
  const longer = [{ ...queue[0]!, data: Buffer.from('xy').toString('base64') }];
  const unclear = file('unix', {
    id: 4,
    ino: '0x41',
    detail: unix({ peer: '0x40', queue: longer }),
  });
  assert.match(develop([sender, unclear]).warnings[0]!, /1 descriptors came with some of 2 bytes/);
  const both = file('unix', { ino: '0x40', detail: unix({ peer: '0x41', queue }) });
  const child: FdsFrame = { t: 'fds', pid: 101, fds: [{ fd: 3, file: 4, cloexec: false }] };
  assert.is(develop([both, receiver]).queues.length, 2);
  refused(() => develop([both, receiver], [child]), /fd 3 -> .*both ways between processes/);
});

test('unix sockets keep addresses, peers and queues', () => {
  const queue = [{ data: Buffer.from('queued').toString('base64'), scm: false }];
  const { entries, queues } = develop([file('unix', { detail: unix({ queue }) })]);
  const { ino, peer, opts, ns_id } = entries.at(-1)!.usk!;
  assert.equal([ino, peer, ns_id], [0x30, 0x31, 2]);
  assert.equal(
    [opts!.so_rcv_tmo_sec, opts!.so_rcv_tmo_usec, opts!.so_passcred],
    [1n, 500001n, true],
  );
  assert.equal(queues, [[{ id_for: 3, length: 6, scm: [] }, Buffer.from('queued')]]);
});

test('a socket bound to a path has the file there made anew', () => {
  const name = Buffer.from('sub/socket\0').toString('base64');
  const bound = { name, state: 10, peer: '0x0', backlog: 5, bound_mode: 0o140755, bound_uid: 1 };
  const listener = { link: 'socket:[48]', path: '/run/sub/socket', detail: unix(bound) };
  const { name_dir, file_perms, deleted, backlog } = one(file('unix', listener)).usk!;
  assert.equal([name_dir, deleted, backlog], ['/run', undefined, 5]);
  assert.equal(file_perms, { mode: 0o140755, uid: 1, gid: 0 });
  const gone = file('unix', { ...listener, path_ok: false });
  assert.is(one(gone).usk!.deleted, true);
  const abstract = unix({ ...bound, name: Buffer.from('\0name').toString('base64') });
  assert.is(one(file('unix', { detail: abstract })).usk!.file_perms, undefined);
});

test('unix sockets that are connected elsewhere are refused', () => {
  const socket = (detail: object) => file('unix', { link: 'socket:[48]', detail: unix(detail) });
  const outside = /pid 100: fd 3 -> socket:\[48\]: its peer is outside/;
  refused(() => one(socket({ peer_in_tree: false })), outside);
  refused(() => one(socket({ peer: '0x0' })), /waits for a listener outside/);
  const waiting = { state: 10, peer: '0x0', icons: ['0x99', '0x0'] };
  refused(() => one(socket(waiting)), /2 connections from outside/);
  refused(() => one(socket({ queue: [{ data: '', scm: true }] })), /credentials/);
  one(socket({ peer: '0x0', shutdown: 3 }));
  one(socket({ type: 2, peer: '0x0' }));
});

test('a connection that waits at a listener of the tree is made anew', () => {
  const listener = file('unix', { detail: unix({ state: 10, peer: '0x0', icons: ['0x31'] }) });
  const waiting = (wqlen: number) =>
    file('unix', { id: 4, ino: '0x31', detail: unix({ peer: '0x0', wqlen }) });
  assert.is(develop([listener, waiting(0)]).entries.at(-1)!.usk!.peer, 0x30);
  refused(() => develop([listener, waiting(5)]), /data waits/);
});

test('datagrams keep their sender if it is connected', () => {
  const from = Buffer.from('\u0001\0/run/sender\0', 'latin1').toString('base64');
  const queue = [{ data: '', scm: false, from }];
  const receiver = file('unix', { detail: unix({ type: 2, peer: '0x0', queue }) });
  const name = Buffer.from('/run/sender\0').toString('base64');
  const sender = file('unix', {
    id: 4,
    ino: '0x31',
    detail: unix({ type: 2, peer: '0x30', name }),
  });
  assert.is(develop([receiver, sender]).queues.length, 1);
  refused(() => develop([receiver]), /sender could not be told/);
});

test('TCP listeners, and UDP sockets', () => {
  const { isk } = one(file('inet'));
  assert.equal([isk!.src_addr, isk!.src_port, isk!.backlog], [[0x0100007f], 80, 16]);
  assert.equal([isk!.ip_opts!.ttl, isk!.tcp_opts!.keepcnt], [64, 9]);
  const src = Buffer.concat([Buffer.alloc(15), Buffer.of(1)]).toString('base64');
  const v6 = one(file('inet', { detail: { family: 10, v6only: true, src } })).isk!;
  assert.equal([v6.src_addr, v6.v6only], [[0, 0, 0, 0x01000000], true]);
  const udp = { type: 2, proto: 17, state: 7 };
  assert.equal(one(file('inet', { detail: udp })).isk!.tcp_opts, {});
  const tcp = { ...tcpOpts(), defer_accept: 5 };
  const { warnings } = develop([file('inet', { link: 'socket:[48]', detail: { tcp } })]);
  assert.equal(warnings, ['pid 100: fd 3 -> socket:[48]: not in the images: TCP_DEFER_ACCEPT']);
});

const stream: Stream = {
  ...{ state: 1, options: 7, snd_wscale: 7, rcv_wscale: 9, rcv_nxt: 100, write_seq: 5 },
  ...{ unsent: 3, mss: 1460, timestamp: 77, window: [1, 2, 3, 4, 5] },
  ...{ inq: Buffer.from('in').toString('base64'), outq: Buffer.from('outward').toString('base64') },
};

test('TCP connections', () => {
  const detail = { state: 1, dport: 443, cork: true, tcp: tcpOpts(), stream };
  const socket = file('inet', { ino: '0x2a', detail });
  const { entries, streams } = develop([socket], [], { tcpEstablished: true });
  const { isk } = entries.find(({ id }) => id === socket.id)!;
  assert.equal([isk!.state, isk!.dst_port], [1, 443]);
  const [{ ino, entry }] = streams as [(typeof streams)[0]];
  const [{ inq_len, inq_seq, outq_len, outq_seq, unsq_len, ...rest }, ...queues] = entry;
  assert.equal([ino, inq_len, inq_seq, outq_len, outq_seq, unsq_len], [42, 2, 100, 7, 5, 3]);
  assert.equal([rest.snd_wscale, rest.rcv_wscale, rest.timestamp, rest.cork], [7, 9, 77, true]);
  assert.equal(queues.map(String), ['in', 'outward']);
});

test('a FIN is no byte of a queue', () => {
  const unsent = (state: number, bytes: number) => {
    const detail = { state, dport: 443, stream: { ...stream, state, unsent: bytes } };
    return develop([file('inet', { detail })], [], { tcpEstablished: true }).streams[0]!.entry[0]
      .unsq_len;
  };
  assert.equal([unsent(1, 3), unsent(4, 3), unsent(4, 0), unsent(9, 1)], [3, 2, 0, 0]);
});

test('TCP connections as closed', () => {
  const socket = file('inet', { detail: { state: 1, dport: 443 } });
  const { entries, streams } = develop([socket], [], { tcpClose: true });
  const { isk } = entries.find(({ id }) => id === socket.id)!;
  assert.equal([streams.length, isk!.dst_port], [0, 443]);
});

test('connections are refused', () => {
  const socket = (detail: object) => file('inet', { link: 'socket:[48]', detail });
  const dst = Buffer.of(10, 0, 0, 7).toString('base64');
  refused(
    () => one(socket({ state: 1, dst, dport: 443 })),
    /fd 3 -> socket:\[48\]: an established TCP.* 127.0.0.1:80 to 10.0.0.7:443.*--tcp-est/,
  );
  const v6 = Buffer.concat([Buffer.alloc(15), Buffer.of(1)]).toString('base64');
  refused(() => one(socket({ state: 8, dst: v6, dport: 443 })), /half-closed.* to \[::1\]:443/);
  const tls = { state: 1, dport: 443, tcp: { ...tcpOpts(), ulp: 'tls' }, stream };
  refused(() => develop([socket(tls)], [], { tcpEstablished: true }), /with tls in the kernel/);
  const { warnings } = develop([socket({ rqlen: 1 })], [], { skipInFlight: true });
  assert.match(warnings[0]!, /1 connections that wait/);
  refused(() => one(socket({ type: 3, proto: 1 })), /neither TCP nor UDP/);
  refused(() => one(socket({ rqlen: 1 })), /1 connections wait/);
  refused(() => one(socket({ type: 2, proto: 17, cork: true })), /UDP_CORK/);
  const queue = [{ data: '', scm: false }];
  refused(() => one(socket({ type: 2, proto: 17, queue })), /1 datagrams wait/);
  const opts = { ...sockOpts(), peek_off: 0 };
  refused(() => one(socket({ opts })), /SO_PEEK_OFF/);
});

test('kinds without a developer are refused by their link', () => {
  const inotify = file('other', { link: 'anon_inode:inotify' });
  refused(() => one(inotify), /pid 100: fd 3 -> anon_inode:inotify: .*does not dump yet/);
});

test('locks belong to processes or descriptions, and need --file-locks', () => {
  const posix = { kind: 'POSIX', mode: 'WRITE', pid: PID, start: '0x5', end: '0xe' } as const;
  const flock = { kind: 'FLOCK', mode: 'READ', pid: 77, start: '0x0', end: 'EOF' } as const;
  const frames = [
    file('regular', { locks: [posix] }),
    file('regular', { id: 4, locks: [posix, flock] }),
  ];
  const all = facts(tree(...frames));
  refused(() => developLocks(all, {}), /fd 3 -> \/some\/file: a POSIX lock.*--file-locks/);
  const locks = developLocks(all, { fileLocks: true });
  for (const lock of locks) encode('file_lock_entry', lock);
  assert.equal(
    locks.map(({ flag, type, pid, len }) => [flag, type, pid, len]),
    [
      [1, 1, PID, 10n],
      [2, 0, PID, 0n],
    ],
  );
  const lease = { ...flock, kind: 'LEASE', mode: 'READ' } as const;
  const locksOf = (lock: FileLock) =>
    developLocks(facts(tree(file('regular', { locks: [lock] }))), { fileLocks: true });
  assert.equal([locksOf(lease)[0]!.flag, locksOf(lease)[0]!.type], [8, 0]);
  refused(() => locksOf({ ...lease, breaking: true }), /somebody outside waits/);
  refused(() => locksOf({ ...lease, mode: 'ODD' }), /LEASE ODD/);
});

test.run();
