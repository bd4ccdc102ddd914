// Facts of a small tree, as the helper would send them, to be varied by the tests.
import type {
  CapturedFrame,
  FileDetails,
  FileFrame,
  FileKind,
  FileOf,
  GhostFrame,
  LiveTaskFrame,
  Namespaces,
  Registers,
  SockOpts,
  TcpOpts,
  ThreadFrame,
  UnixDetail,
  Vma,
  XsaveLayout,
} from '../../src/helper/protocol.js';
import { REGISTERS } from '../../src/helper/protocol.js';
import type { DumpFrame } from '../../src/helper/client.js';
import { Facts } from '../../src/develop/facts.js';

export const PID = 100;

const kinds = ['pid', 'pid_for_children', 'net', 'ipc', 'uts', 'mnt', 'user', 'cgroup', 'time'];
export const ns = Object.fromEntries(
  [...kinds, 'time_for_children'].map((kind) => [kind, '0xeffffffc']),
) as unknown as Namespaces;

/** An area of a CPU with AVX and PKRU, and no more. */
export const xsave: XsaveLayout = {
  size: 840,
  features: '0x207',
  components: { 2: [576, 256], 9: [832, 8] },
};

const stopped = { interval_us: '0x0', value_us: '0x0' };

export function task(changes: Partial<LiveTaskFrame> = {}): LiveTaskFrame {
  const pid = changes.pid ?? PID;
  return {
    t: 'task',
    pid,
    ppid: 1,
    pgid: pid,
    sid: pid,
    state: 'alive',
    tids: [pid],
    comm: 'sample',
    flags: 0x400000,
    start_time: '0x64',
    personality: 0,
    umask: 0o22,
    oom_score_adj: 0,
    child_subreaper: false,
    dumpable: 1,
    thp_disabled: false,
    membarrier: 0,
    mm: {
      start_code: '0x401000',
      end_code: '0x402000',
      start_data: '0x403000',
      end_data: '0x404000',
      start_stack: '0x7ffd00001000',
      start_brk: '0x500000',
      brk: '0x521000',
      arg_start: '0x7ffd00002000',
      arg_end: '0x7ffd00002010',
      env_start: '0x7ffd00002010',
      env_end: '0x7ffd00002020',
      auxv: '',
      exe: 1,
    },
    fs: { cwd: 2, root: 2 },
    rlimits: Array.from({ length: 16 }, () => ['0x400', '0xffffffffffffffff']),
    sigactions: Array.from({ length: 64 }, (_, i) => ({
      handler: `0x${i.toString(16)}`,
      flags: '0x0',
      restorer: '0x0',
      mask: '0x0',
    })),
    pending: [],
    itimers: { real: stopped, virtual: stopped, prof: stopped },
    posix_timers: [],
    share: { vm: pid, files: pid, fs: pid, sighand: pid },
    ns,
    cgroups: [],
    ...changes,
  };
}

export function registers(changes: Partial<Registers> = {}): Registers {
  const none = Object.fromEntries(REGISTERS.map((name) => [name, '0x0'])) as Registers;
  return { ...none, cs: '0x33', orig_ax: '0xffffffffffffffff', ip: '0x401000', ...changes };
}

export function thread(changes: Partial<ThreadFrame> = {}): ThreadFrame {
  return {
    t: 'thread',
    pid: PID,
    tid: changes.pid ?? PID,
    comm: 'sample',
    regs: registers(),
    xsave: Buffer.alloc(xsave.size).toString('base64'),
    clear_child_tid: '0x0',
    robust_list: { head: '0x0', len: 0 },
    sigmask: '0x0',
    pending: [],
    altstack: { sp: '0x0', size: '0x0', flags: 2 },
    sched: { policy: 0, priority: 0, nice: 0, reset_on_fork: false },
    pdeath_signal: 0,
    no_new_privs: false,
    seccomp: 0,
    creds: {
      ...{ uid: 0, euid: 0, suid: 0, fsuid: 0, gid: 0, egid: 0, sgid: 0, fsgid: 0, groups: [4] },
      ...{
        cap_inh: '0x0',
        cap_prm: '0x1ff00000003',
        cap_eff: '0x0',
        cap_bnd: '0x0',
        cap_amb: '0x0',
      },
      securebits: 0,
    },
    ...changes,
  };
}

export function vma(changes: Partial<Vma> = {}): Vma {
  return {
    ...{ start: '0x500000', end: '0x521000', perms: 'rw-p', pgoff: '0x0', dev: 0, ino: '0x0' },
    ...{ name: '', vmflags: 'rd wr mr mw me ac' },
    ...changes,
  };
}

const details: { [K in FileKind]: FileDetails[K] } = {
  ...{ regular: undefined, directory: undefined, char: undefined, block: undefined },
  symlink: undefined,
  named: undefined,
  fifo: { pipe: '0x20' },
  pipe: { pipe: '0x20' },
  eventfd: { count: '0x2a', semaphore: false },
  epoll: { members: [] },
  timerfd: {
    ...{ clockid: 1, ticks: '0x2', settime_flags: 0 },
    ...{ interval_ns: '0x3b9acbf4', value_ns: '0x0' },
  },
  signalfd: { sigmask: '0x400000800' },
  pidfd: { pid: PID },
  inotify: { unread: 0, watches: [] },
  fanotify: { unread: 0, init_flags: 0, event_flags: 0, marks: [] },
  memfd: { name: 'sample', seals: 1, hugetlb: false },
  tty: {
    ...{ driver: 'pts', index: 3, locked: false, exclusive: false, packet: false },
    ...{ termios: '', winsize: { row: 25, col: 80, xpixel: 0, ypixel: 0 }, unread: 0 },
    hung_up: false,
  },
  unix: unix(),
  inet: {
    ...{ family: 2, type: 1, proto: 6, state: 10, src: 'fwAAAQ==', dst: 'AAAAAA==' },
    ...{ sport: 80, dport: 0, backlog: 16, v6only: false, shutdown: 0, queue: [], rqlen: 0 },
    ...{ unread: 0, unsent: 0, cork: false },
    ip: { freebind: false, pktinfo: false, tos: 0, ttl: 64 },
    opts: { ...sockOpts(), keepcnt: 9 },
  },
  other: {},
};

export function tcpOpts(): TcpOpts {
  const flags = { nodelay: true, error: false };
  return { ...flags, defer_accept: 0, user_timeout: 0, congestion: 'cubic' };
}

export function sockOpts(): SockOpts {
  return {
    ...{ sndbuf: 1, rcvbuf: 2, snd_tmo_us: '0x0', rcv_tmo_us: '0x16e361', reuseaddr: true },
    ...{ reuseport: false, passcred: true, passsec: false, dontroute: false, no_check: false },
    ...{ broadcast: false, keepalive: false, oobinline: false, priority: 0, rcvlowat: 1, mark: 0 },
    buf_lock: 0,
  };
}

export function unix(changes: Partial<UnixDetail> = {}): UnixDetail {
  return {
    ...{ type: 1, state: 1, peer: '0x31', name: '', backlog: 0, shutdown: 0, peer_in_tree: true },
    ...{ queue: [], rqlen: 0, wqlen: 0, opts: sockOpts() },
    ...changes,
  };
}

const modes: Partial<Record<FileKind, number>> = {
  ...{ directory: 0o40755, char: 0o20666, block: 0o60660, fifo: 0o10644, memfd: 0o100777 },
};

/** A file of a kind; `detail` may be given in part. */
export function file<K extends FileKind>(
  kind: K,
  changes: Partial<Omit<FileOf<K>, 'detail'>> & { detail?: Partial<FileDetails[K]> } = {},
): FileOf<K> {
  const detail = details[kind] && { ...details[kind], ...changes.detail };
  return {
    t: 'file',
    kind,
    id: 3,
    description: true,
    link: '/some/file',
    flags: 0o2,
    pos: '0x0',
    mnt_id: 20,
    dev: 0xfe00,
    ino: '0x30',
    mode: modes[kind] ?? 0o100644,
    rdev: 0,
    nlink: 1,
    uid: 0,
    gid: 0,
    size: '0x400',
    path_ok: true,
    locks: [],
    ...changes,
    detail,
  } as unknown as FileOf<K>;
}

export function ghost(changes: Partial<GhostFrame> = {}): GhostFrame {
  return {
    ...{ t: 'ghost', dev: 0xfe00, ino: '0x77', mode: 0o100600, rdev: 0, nlink: 0, uid: 5, gid: 0 },
    ...{ size: '0x19', atime: [7, 5000], mtime: [8, 999999999] },
    ...{ content: 'ghost-1', extents: [0, 25] },
    ...changes,
  };
}

export function captured(changes: Partial<CapturedFrame> = {}): CapturedFrame {
  return {
    t: 'captured',
    ...{
      tasks: 1,
      threads: 1,
      page_bytes: 0,
      network_locked: false,
      helper_peak_kib: 0,
      own_ns: ns,
    },
    times_us: { freeze: 1, capture: 1, scan: 1, copy: 1, total: 4 },
    pages: { scanned: 0, present: 0, lazy: 0, copied: 0, zero: 0, shmem_copied: 0 },
    clocks: { monotonic_ns: '0x3b9aca01', boottime_ns: '0x77359402' },
    ...changes,
  };
}

/** A session leader with a program, a folder, a heap, and the files given, from descriptor 3 on. */
export function tree(...files: FileFrame[]): DumpFrame[] {
  return [
    task(),
    thread(),
    { t: 'vmas', pid: PID, vmas: [vma({ name: '[heap]' })] },
    file('regular', { id: 1, description: false, link: '/bin/sample' }),
    file('directory', { id: 2, description: false, link: '/' }),
    ...files,
    { t: 'fds', pid: PID, fds: files.map(({ id }, i) => ({ fd: 3 + i, file: id, cloexec: true })) },
  ];
}

/** What the darkroom works with. */
export function facts(frames: DumpFrame[]): Facts {
  const all = new Facts();
  for (const frame of frames) all.add(frame);
  return all;
}
