// Pages from living processes: the original, a fork, a tree in its own pid namespace; and refusals.
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import type { Owner } from '../../src/images/pagemap.js';
import { ProcessSource } from '../../src/pages/process.js';
import { readManifest } from '../../src/pages/read-manifest.js';
import { orSkip, Skip } from '../support/skip.js';
import { withTemp } from '../support/temp.js';
import { until } from '../support/until.js';
import { procText } from '../support/proc.js';
import { type Holder, listHolder, withHolder } from './holder.js';
import { anonymous } from './made-set.js';

/** A source of the set in `dir`; throws as opening it does. */
async function open(dir: string, pids: string): Promise<ProcessSource> {
  const source = new ProcessSource(pids);
  try {
    await source.open(await readManifest(dir));
    return source;
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function refusal(dir: string, pids: string): Promise<CkptError> {
  try {
    await (await open(dir, pids)).close();
  } catch (error) {
    if (error instanceof CkptError) return error;
    throw error;
  }
  throw new Error(`${pids} was taken`);
}

/** The first letter of each page. */
async function letters(source: ProcessSource, owner: Owner, page: number, count: number) {
  const bytes = Buffer.from(await source.read({ owner, page, count }));
  assert.is(bytes.length, count * 4096);
  return Array.from({ length: count }, (_, i) => {
    const one = bytes.subarray(i * 4096, (i + 1) * 4096);
    assert.ok(one.every((byte) => byte === one[0]));
    return String.fromCharCode(one[0]!);
  }).join('');
}

async function readsAll(source: ProcessSource, { inner, ...holder }: Holder, task = inner.pid) {
  assert.is(await letters(source, { pid: task }, holder.private, 4), 'abcd');
  assert.is(await letters(source, { pid: task }, holder.private + 1, 2), 'bc');
  assert.is(await letters(source, { shmem: BigInt(holder.segment) }, 1, 2), 'tu');
  assert.is(await letters(source, { shmem: BigInt(holder.memfd) }, 0, 2), 'mm');
}

test('the original gives its own memory, shared memory and memfds, and says where they are', () =>
  orSkip('the original', () =>
    withTemp((dir) =>
      withHolder(async (holder) => {
        listHolder(dir, holder, { wiped: true });
        const source = await open(dir, `${holder.pid}`);
        await readsAll(source, holder);
        assert.is(await letters(source, { pid: holder.pid }, holder.wiped, 1), 'w');
        const run = { owner: { pid: holder.pid }, page: holder.private, count: 2 };
        const place = { kind: 'process', pid: holder.pid };
        assert.equal(source.locate(run), [{ page: holder.private, count: 2, place }]);
        const shared = { owner: { shmem: BigInt(holder.segment) }, page: 1, count: 2 };
        const [located] = source.locate(shared);
        assert.match(
          JSON.stringify(located),
          /"kind":"file","path":"\/proc\/\d+\/map_files\/.*"offset":4096/,
        );
        await source.close();
      }),
    ),
  ));

test('a fork gives the same, but not what it finds wiped', () =>
  orSkip('a fork', () =>
    withTemp((dir) =>
      withHolder(async (holder) => {
        listHolder(join(dir, 'set'), holder);
        for (const pids of [`${holder.child}`, `${holder.child}=${holder.pid}`]) {
          const source = await open(join(dir, 'set'), pids);
          await readsAll(source, holder);
          await source.close();
        }
        listHolder(join(dir, 'wiped'), holder, { wiped: true });
        const { code, message } = await refusal(join(dir, 'wiped'), `${holder.child}`);
        assert.is(code, 'E_PAGE_SOURCE');
        assert.match(message, /a fork loses them \(MADV_WIPEONFORK\)/);
      }),
    ),
  ));

test('the tasks of a tree are found by the pids that they have in their namespace', () =>
  orSkip('a tree', () =>
    withTemp((dir) =>
      withHolder(async (holder) => {
        assert.is(holder.inner.pid, 1);
        listHolder(dir, holder, { both: true });
        const source = await open(dir, `${holder.pid}`);
        for (const task of [holder.inner.pid, holder.inner.child]) {
          await readsAll(source, holder, task);
        }
        const run = { owner: { pid: holder.inner.child }, page: holder.private, count: 1 };
        assert.equal(source.locate(run)[0]!.place, { kind: 'process', pid: holder.child });
        await source.close();
        const { message } = await refusal(dir, `${holder.child}`);
        assert.match(message, new RegExp(`which is process 1 of .*Name it as PID=1$`));
        await (await open(dir, `${holder.child},${holder.pid}=1`)).close();
      }, true),
    ),
  ));

test('a process that runs, is gone, is another one or named wrongly is refused', () =>
  orSkip('refusals', () =>
    withTemp((dir) =>
      withHolder(async (holder) => {
        const set = listHolder(dir, holder);
        for (const [pids, line] of [
          ['', /'' is neither PID nor PID=VPID/],
          ['12,x', /'x' is neither/],
          ['12,13', /which task is 13\? Name it as 13=VPID/],
        ] as const) {
          assert.throws(
            () => new ProcessSource(pids),
            ({ code, message }: CkptError) => code === 'E_USAGE' && line.test(message),
          );
        }
        assert.match((await refusal(dir, '2147483647')).message, /there is no process 2147483647/);
        const unknown = await refusal(dir, `${holder.pid}=77`);
        assert.match(unknown.message, /there is no process 77 in /);
        const other = await refusal(dir, `${process.pid}=${holder.pid}`);
        assert.match(other.message, new RegExp(`process ${process.pid} runs, and its memory`));
        assert.match(`${other.details.remedy}`, new RegExp(`kill -STOP ${process.pid}`));

        set.mappings(5, [anonymous(1, 1)]).pagemap('pagemap-5.img', [[1, 1, 2]]);
        const unmapped = await refusal(dir, `${holder.pid},${holder.child}=5`);
        assert.match(
          unmapped.message,
          /no pages 0x1000-0x2000 of process 5: process \d+ maps no such/,
        );
      }),
    ),
  ));

test('a segment that no process has any more is named', () =>
  orSkip('a lost segment', () =>
    withTemp((dir) =>
      withHolder(async (holder) => {
        listHolder(dir, holder).pagemap('pagemap-shmem-4294967295.img', [[0, 1, 2]]);
        const { message } = await refusal(dir, `${holder.pid}`);
        assert.match(message, /none of its processes has shared memory 4294967295 mapped or open/);
      }),
    ),
  ));

for (const [version, dir, file, on] of [
  ['2', '/sys/fs/cgroup/unified', 'cgroup.freeze', '1'],
  ['1', '/sys/fs/cgroup/freezer', 'freezer.state', 'FROZEN'],
] as const) {
  const name = `a tree in a frozen control group, version ${version}, stands still`;
  test(name, () => orSkip(name, () => withTemp((temp) => frozen(temp, dir, file, on))));
}

async function frozen(temp: string, root: string, file: string, on: string): Promise<void> {
  if (!existsSync(root)) throw new Skip(`no ${root}`);
  await withHolder(async (holder) => {
    listHolder(temp, holder);
    const group = join(root, `ckpt-test-${process.pid}`);
    mkdirSync(group);
    const all = [holder.pid, holder.child];
    try {
      for (const pid of all) writeFileSync(join(group, 'cgroup.procs'), `${pid}`);
      // It may have yet to stop itself: whatever stopped it, it then waits in pause(2).
      await until('the holder waits', () => {
        process.kill(holder.pid, 'SIGCONT');
        return /\) S /.test(procText(`/proc/${holder.pid}/stat`));
      });
      assert.match((await refusal(temp, `${holder.pid}`)).message, /runs, and its memory/);
      writeFileSync(join(group, file), on);
      await until('freeze', () =>
        /freez|frig|get_signal/.test(procText(`/proc/${holder.pid}/wchan`)),
      );
      await (await open(temp, `${holder.pid}`)).close();
    } finally {
      writeFileSync(join(group, file), on === '1' ? '0' : 'THAWED');
      for (const pid of all) writeFileSync(join(root, 'cgroup.procs'), `${pid}`);
      await until('the group is empty', () => procText(join(group, 'cgroup.procs')) === '');
      rmdirSync(group);
    }
  });
}

test.run();
