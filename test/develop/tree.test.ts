// The tree as a whole: ids, sessions, namespaces, control groups.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CgroupSets, parseCgroups } from '../../src/develop/cgroup.js';
import { developIds, refuseForeignNamespaces, ROOT_IDS } from '../../src/develop/ids.js';
import { developPstree, refuseDeadLeader, refuseForeignSession } from '../../src/develop/pstree.js';
import { refused } from './refused.js';
import { ns, task } from './sample.js';

test('the root has no parent, whoever that is', () => {
  const [root, child] = developPstree([task(), task({ pid: 101, ppid: 100, tids: [101, 102] })]);
  assert.equal([root!.ppid, child!.ppid, child!.threads], [0, 100, [101, 102]]);
});

test('ids tell who shares a table of descriptors', () => {
  const share = { vm: 101, files: 100, fs: 101, sighand: 101 };
  const ids = developIds([task(), task({ pid: 101, share })]);
  const [root, child] = [ids.get(100)!, ids.get(101)!];
  assert.equal([root.files_id, child.files_id, root.vm_id, child.vm_id], [2, 2, 2, 3]);
  assert.equal([root.net_ns_id, child.net_ns_id], [ROOT_IDS.net_ns_id, ROOT_IDS.net_ns_id]);
  assert.is.not(root.vm_id, ROOT_IDS.vm_id);
});

test('tasks that share an address space or more are refused', () => {
  const share = { vm: 100, files: 101, fs: 101, sighand: 101 };
  refused(() => developIds([task({ pid: 101, share })]), /pid 101: address space: shared .*100/);
});

test('a root that leads no session needs --shell-job', () => {
  refused(() => refuseForeignSession(task({ sid: 50 }), {}), /session 50: .*--shell-job/);
  refuseForeignSession(task({ sid: 50 }), { shellJob: true });
  refuseForeignSession(task(), {});
});

test('a leader that is gone before its threads is refused', () => {
  const { pid, ppid, pgid, sid, comm, flags } = task();
  const base = { t: 'task', pid, ppid, pgid, sid, comm, flags, exit_code: 0 } as const;
  refuseDeadLeader({ ...base, state: 'zombie', tids: [pid] });
  const dead = { ...base, state: 'zombie', tids: [pid, 101, 102] } as const;
  refused(() => refuseDeadLeader({ ...dead, tids: [...dead.tids] }), /while 2 threads run on/);
});

test('a task in another namespace is refused by the name of it', () => {
  refuseForeignNamespaces(task(), ns);
  const other = task({ ns: { ...ns, net: '0xf0000001' } });
  refused(() => refuseForeignNamespaces(other, ns), /pid 100: net namespace/);
});

const groups = (freezer: string) =>
  parseCgroups(`5:cpu,cpuacct:/\n4:freezer:${freezer}\n0::/a:b\n`);

test('a /proc/PID/cgroup is read as it is, colons in paths too', () => {
  assert.equal(groups('/x'), [
    { controllers: 'cpu,cpuacct', path: '/' },
    { controllers: 'freezer', path: '/x' },
    { controllers: '', path: '/a:b' },
  ]);
});

test('tasks where ckpt is need no image of control groups', () => {
  const sets = new CgroupSets(groups('/'));
  assert.is(sets.idOf(groups('/')), 1);
  assert.is(sets.develop('soft'), undefined);
});

test('other groups are named, and their folders for a restore to make', () => {
  const sets = new CgroupSets(groups('/'));
  assert.equal(
    ['/x/y', '/', '/x/y', '/z'].map((path) => sets.idOf(groups(path))),
    [2, 1, 2, 3],
  );
  const { sets: named, controllers } = sets.develop(undefined)!;
  assert.equal(
    named!.map(({ id }) => id),
    [2, 3],
  );
  assert.equal(named![0]!.ctls, [
    { name: '', path: '/a:b' },
    { name: 'cpu,cpuacct', path: '/' },
    { name: 'freezer', path: '/x/y' },
  ]);
  assert.equal(controllers![1], {
    cnames: ['cpu', 'cpuacct'],
    dirs: [{ dir_name: '' }],
    is_threaded: false,
  });
  assert.equal(controllers![2]!.dirs, [{ dir_name: 'x/y' }, { dir_name: 'z' }]);
  assert.equal(sets.develop('ignore')!.controllers![2]!.dirs, []);
});

test.run();
