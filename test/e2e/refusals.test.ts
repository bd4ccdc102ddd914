// What cannot be taken along is refused by name, and the target runs on as it was.
//   usage: [CKPT_DUMPER=criu] node dist/test/e2e/refusals.test.js [NAME]...
import { test } from 'uvu';
import { Coverage, wordsOf } from '../support/coverage.js';
import { dumper } from '../support/dump.js';
import { mustRefuse, type Refusal } from '../support/refusal.js';
import { orSkip } from '../support/skip.js';

const object = (kind: string, names: RegExp, criu?: string): Refusal => ({
  fixture: 'objects',
  args: [kind],
  names,
  criu,
});

const refusals: Refusal[] = [
  object('io_uring', /anon_inode:\[io_uring\]/),
  object('userfaultfd', /anon_inode:\[userfaultfd\]/),
  object('perf_event', /anon_inode:\[perf_event\]/),
  object('bpf', /anon_inode:bpf-map/),
  object('pidfd', /pidfd.*outside of the tree/),
  { fixture: 'pidfds', args: ['thread'], names: /PIDFD_THREAD/ },
  object('mqueue', /\/ckpt-fixture-\d+/),
  object('packet', /socket:\[\d+\]/, 'takes it'),
  object('netlink', /socket:\[\d+\]/, 'takes it'),
  object('aio', /aio/, 'takes it'),
  object('sysvshm', /SYSV/),
  { fixture: 'timerfds', args: ['alarm'], names: /CLOCK_\*_ALARM/ },
  { fixture: 'eventfds', args: ['semaphore'], names: /semaphore/, criu: 'loses that it is one' },
  { fixture: 'eventfds', args: ['high'], names: /eventfd/, criu: 'cuts the counter to 32 bits' },
  {
    fixture: 'procfiles',
    args: ['outside'],
    names: /process \d+, which is outside/,
    criu: 'cannot restore it',
  },
  { fixture: 'watches', args: ['oneshot'], names: /IN_ONESHOT/, criu: 'loses that it is one' },
  { fixture: 'watches', args: ['deleted'], names: /deleted/ },
  { fixture: 'amx', names: /XSTATE_BV|AMX/, criu: 'kills the copy' },
  { fixture: 'sharedvm', names: /address space/ },
  { fixture: 'inflight', args: ['tcp'], names: /socket:\[\d+\].*--tcp-established/s },
  { fixture: 'rights', args: ['credentials'], names: /socket:\[\d+\].*credentials/ },
  {
    fixture: 'inflight',
    args: ['unread'],
    names: /socket:\[\d+\]/,
    criu: 'loses the datagrams',
  },
  { fixture: 'inflight', args: ['corked'], names: /socket:\[\d+\]/ },
  { fixture: 'outside', args: ['unix'], names: /socket:\[\d+\].*--external 'unix\[\d+\]'/s },
  {
    fixture: 'outside',
    args: ['datagrams'],
    beside: ['listener'],
    names: /socket:\[\d+\].*--ext-unix-sk/s,
  },
  { fixture: 'outside', args: ['pipe'], names: /pipe:\[\d+\]/, criu: 'cuts it off' },
  { fixture: 'outside', args: ['renamed'], names: /state\/first/ },
  { fixture: 'confined', args: ['seccomp'], names: /seccomp/, criu: 'takes it' },
  { fixture: 'confined', args: ['traced'], names: /traced/ },
  { fixture: 'confined', args: ['netns'], names: /net/, criu: 'cannot restore it' },
  {
    fixture: 'confined',
    args: ['vfork'],
    options: ['--timeout', '2'],
    names: /timeout/,
    ofTree: true,
  },
  { fixture: 'locks', names: /--file-locks/ },
  { fixture: 'leases', names: /LEASE.*--file-locks/s },
  {
    fixture: 'leases',
    args: ['breaking'],
    options: ['--file-locks'],
    names: /lease that somebody/,
    criu: 'takes it',
  },
  { fixture: 'shelljob', tty: true, names: /--shell-job/ },
  { fixture: 'ghosts', options: ['--ghost-limit', '1000'], names: /large.*--ghost-limit/s },
];

const names = process.argv.slice(2);

/** The table is about all that ckpt refuses. */
const coverage =
  dumper === 'ckpt' && names.length === 0 ? new Coverage('refusals', 'Refused') : undefined;

for (const refusal of refusals) {
  const name = [refusal.fixture, ...(refusal.args ?? [])].join(' ');
  if (names.length > 0 && !names.some((part) => name.includes(part))) continue;
  test(name, () =>
    orSkip(name, async () => {
      if (coverage) {
        const refused = async () => wordsOf(await mustRefuse(refusal, dumper));
        await coverage.of(refusal, refusal.criu ?? 'refused', refused);
      } else if (dumper === 'ckpt' || refusal.criu === undefined) {
        await mustRefuse(refusal, dumper);
      }
    }),
  );
}

if (coverage) test('docs/coverage.md', () => coverage.check());

test.run();
