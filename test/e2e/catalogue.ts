// The fixtures that go through a full cycle, and what each needs for it.
import type { Cycle } from '../support/cycle.js';

const plain = (...names: string[]): Cycle[] => names.map((fixture) => ({ fixture }));

const streams = (kind: string, criu?: string): Cycle => ({
  ...{ fixture: 'tcpstreams', args: [kind], criu },
  options: ['--tcp-established', '--network-lock', 'nftables'],
});

export const fixtures: Cycle[] = [
  ...plain('threads', 'registers', 'sigactions', 'sigpending', 'itimers', 'posixtimers'),
  ...plain('anonymous', 'filemaps', 'sharedmem', 'heap', 'stack', 'memfds', 'madvise', 'guards'),
  ...plain('protections', 'thp', 'zeros', 'deletedmaps', 'manymaps', 'vdso'),
  { fixture: 'hugetlb', hugePages: 8 },
  {
    fixture: 'hugetlb',
    args: ['memfd'],
    hugePages: 4,
  },
  ...plain('files', 'ghosts', 'sharedfds', 'pipes', 'fifos', 'eventfds', 'epolls', 'timerfds'),
  { fixture: 'timerfds', args: ['periodic'], criu: 'disarms a periodic timer that expired unread' },
  ...plain(
    'signalfds',
    'unixpairs',
    'unixlisteners',
    'tcplisteners',
    'udp',
    'fowners',
    'ptys',
    'pidfds',
  ),
  { fixture: 'inflight', args: ['connection'] },
  ...plain('devices', 'procfiles'),
  { fixture: 'opaths', criu: 'cannot dump a fifo that is only named' },
  { fixture: 'unlinked', args: ['tmpfile'] },
  { fixture: 'unlinked', args: ['folder'] },
  { fixture: 'procfiles', args: ['gone'] },
  { fixture: 'rights', args: ['cycle'], criu: 'makes a set that crashes its restore' },
  ...['stream', 'datagram', 'seqpacket', 'only', 'family'].map((kind) => ({
    fixture: 'rights',
    args: [kind],
  })),
  {
    fixture: 'outside',
    args: ['datagrams'],
    beside: ['listener'],
    options: ['--ext-unix-sk'],
  },
  { fixture: 'watches', args: ['inotify'] },
  { fixture: 'watches', args: ['unread'] },
  { fixture: 'watches', args: ['fanotify'] },
  ...['queued', 'v6', 'dual', 'closed', 'options', 'many'].map((kind) => streams(kind)),
  streams('full', 'what was never sent meets no other end, unless the network is locked'),
  streams('halfclosed', 'stops the open direction where the window is 65536'),
  { fixture: 'locks', options: ['--file-locks'] },
  { fixture: 'leases', options: ['--file-locks'], alone: true },
  { fixture: 'shelljob', options: ['--shell-job'], tty: true },
  ...plain('rlimits', 'creds', 'prctls', 'places', 'chroots'),
  { fixture: 'creds', args: ['user'], criu: 'needs CAP_SYS_RESOURCE for prlimit of another user' },
  ...plain('family', 'stopped', 'storm', 'rseq', 'blocked'),
  { fixture: 'timeouts', criu: 'ends nanosleep, poll and futex of the original with EINTR' },
];

/** Those that the release before has to restore too: what the two generations write differs. */
export const olderToo = ['threads', 'registers', 'posixtimers', 'anonymous', 'sharedmem'].concat([
  'zeros',
  'files',
  'pipes',
  'unixpairs',
  'family',
]);
