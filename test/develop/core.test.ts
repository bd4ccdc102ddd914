// Cores: what leaders, threads and zombies are made of.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { developLeader, developThread, developZombie } from '../../src/develop/core.js';
import { encode } from '../../src/images/encode.js';
import { refused } from './refused.js';
import { registers, task, thread, xsave } from './sample.js';

const context = { xsave, cgroupSet: 1 };
const leader = (changes = {}, ofThread = {}) =>
  developLeader(task(changes), thread(ofThread), context);

test('a leader has the process in its core, and all of it can be written', () => {
  const core = leader({ loginuid: 1000, membarrier: 5 }, { sigmask: '0x10' });
  assert.ok(encode('core_entry', core).length > 1000);
  const { tc, thread_core } = core;
  assert.equal([tc!.task_state, tc!.blk_sigset, tc!.loginuid], [1, '0x10', 1000]);
  assert.is(tc!.membarrier_registration_mask, 5);
  assert.is(tc!.rlimits!.rlimits!.length, 16);
  assert.is('blk_sigset' in thread_core!, false);
  assert.is(thread_core!.cg_set, 1);
});

test('actions of the two signals that have none are left out', () => {
  const handlers = leader().tc!.sigactions!.map(({ sigaction }) => Number(sigaction));
  assert.is(handlers.length, 62);
  assert.equal([handlers.includes(8), handlers.includes(18)], [false, false]);
});

test('a stopped task says by which signal', () => {
  const { tc } = leader({ state: 'stopped', stop_signo: 20 });
  assert.equal([tc!.task_state, tc!.stop_signo], [3, 20]);
});

test('a SIGSTOP that waits in a stopped task is left out, other signals are not', () => {
  const waiting = [19, 10].map((signo) => {
    const siginfo = Buffer.alloc(128);
    siginfo.writeInt32LE(signo);
    return siginfo.toString('base64');
  });
  const queued = (state: string): number[] =>
    leader({ state, pending: waiting }).tc!.signals_s!.signals!.map(({ siginfo }) =>
      Buffer.from(siginfo).readInt32LE(),
    );
  assert.equal(queued('stopped'), [10]);
  assert.equal(queued('alive'), [19, 10]);
});

test('another thread has its own signal mask and no process', () => {
  const core = developThread(thread({ tid: 101, sigmask: '0xff' }), context);
  assert.equal([core.tc, core.thread_core!.blk_sigset], [undefined, '0xff']);
});

test('of a zombie there is how it ended', () => {
  const { pid, ppid, pgid, sid, comm, flags } = task();
  const core = developZombie({
    ...{ t: 'task', pid, ppid, pgid, sid, comm, flags, tids: [pid] },
    ...{ state: 'zombie', exit_code: 768 },
  });
  assert.equal([core.tc!.task_state, core.tc!.exit_code, core.thread_info], [2, 768, undefined]);
  assert.ok(encode('core_entry', core).length > 0);
});

test('capabilities are words, the low one first; scheduling is by policy', () => {
  const { creds } = leader().thread_core!;
  assert.equal([creds!.cap_prm, creds!.groups], [[3, 0x1ff], [4]]);
  assert.is(creds!.no_new_privs, undefined);
  assert.is(leader({}, { no_new_privs: true }).thread_core!.creds!.no_new_privs, 1);
  const batch = { policy: 3, priority: 0, nice: 5, reset_on_fork: true };
  const { sched_policy, sched_nice, sched_prio } = leader({}, { sched: batch }).thread_core!;
  assert.equal([sched_policy, sched_nice, sched_prio], [0x40000003, 5, undefined]);
  const fifo = { policy: 1, priority: 9, nice: 0, reset_on_fork: false };
  assert.is(leader({}, { sched: fifo }).thread_core!.sched_prio, 9);
});

test('timers tell whole seconds and the rest', () => {
  const itimer = { interval_us: '0x1e8481', value_us: '0xf4241' };
  const none = { interval_us: '0x0', value_us: '0x0' };
  const posix_timers = [
    {
      ...{ id: 1, clockid: -6, notify: 4, signo: 10, sigval: '0x63', tid: 101, overrun: 2 },
      ...{ interval_ns: '0xb2d05e01', value_ns: '0x3b9aca05' },
    },
  ];
  const { timers } = leader({
    itimers: { real: itimer, virtual: none, prof: none },
    posix_timers,
  }).tc!;
  assert.equal(timers!.real, { isec: 2n, iusec: 1n, vsec: 1n, vusec: 1n });
  assert.equal(timers!.posix![0], {
    ...{ isec: 3n, insec: 1n, vsec: 1n, vnsec: 5n, it_id: 1, clock_id: 4294967290 },
    ...{ si_signo: 10, it_sigev_notify: 4, sival_ptr: '0x63', overrun: 2, notify_thread_id: 101 },
  });
});

test('threads that no image can tell of are refused', () => {
  refused(() => leader({}, { seccomp: 2 }), /pid 100: thread 100: .*seccomp/);
  refused(() => leader({}, { regs: registers({ cs: '0x23' }) }), /no 64-bit code .*0x23/);
  const deadline = { policy: 6, priority: 0, nice: 0, reset_on_fork: false };
  refused(() => leader({}, { sched: deadline }), /SCHED_DEADLINE/);
});

test.run();
