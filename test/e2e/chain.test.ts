// Chains of sets, of a tree whose memory changes from one to the next, restored by stock criu.
import { mkdirSync, readlinkSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { DumpResult, PreDumpResult } from '../../src/dump/result.js';
import { ckpt } from '../cli/ckpt.js';
import { withTarget, type Scene } from '../dump/scene.js';
import { keep } from '../support/keeper.js';
import { PAGE, PE_PARENT, readSet } from '../support/pages.js';
import { ckptMain, oracleProgram } from '../support/paths.js';
import { descendants } from '../support/proc.js';
import { restore } from '../support/restore.js';
import type { Target } from '../support/target.js';
import { until } from '../support/until.js';

/** A dump of the scene's tree into a new folder; gives what it tells. */
async function take<R = DumpResult>(
  scene: Scene,
  command: string,
  name: string,
  ...args: string[]
) {
  const images = join(scene.dir, name);
  mkdirSync(images);
  const words = [command, '-t', `${scene.target.pid}`, '-D', images, '--json', ...args];
  const { code, stdout, stderr } = await ckpt(words);
  assert.is(code, 0, stdout + stderr);
  return JSON.parse(stdout) as R;
}

const before = (name: string): string[] => ['--prev-images-dir', `../${name}`];
const unchanged = ({ pages }: PreDumpResult | DumpResult): number =>
  pages.lazy.unchanged + pages.other.unchanged;

/** In its own place, or beside it with a state of its own: asked twice. */
async function prove({ dir, target }: Scene, name: string, beside = false): Promise<void> {
  const state = join(dir, `${name}-state`);
  if (beside) await execa('cp', ['-a', target.state, state]);
  const copy = await restore(join(dir, name), target, beside ? { state } : {});
  await askTwice(copy).finally(() => copy.end());
}

async function askTwice(copy: Target): Promise<void> {
  await copy.ask();
  await copy.ask();
}

/** Whether a set names another one, and which. */
function parentOf(dir: string, name: string): string | undefined {
  try {
    return readlinkSync(join(dir, name, 'parent'));
  } catch {
    return undefined;
  }
}

const play = (name: string, story: (scene: Scene) => Promise<void>, pages = '256'): void => {
  test(name, () => withTarget(name, story, 'episodes', [pages]));
};

play('four pre-dumps and a dump of a tree that changes, forks and executes', async (scene) => {
  const { dir, target } = scene;
  for (const name of ['1', '2', '3', '4']) {
    const last = `${Number(name) - 1}`;
    const args = name === '1' ? [] : before(last);
    const result = await take<PreDumpResult>(scene, 'pre-dump', name, ...args);
    assert.equal(result.warnings, []);
    assert.is(result.track?.since, name === '1' ? undefined : join(dir, last));
    if (name !== '1') assert.ok(unchanged(result) > 500, `${name}: ${unchanged(result)}`);
    await target.ask();
  }
  const result = await take(scene, 'dump', '5', ...before('4'), '--track-mem');
  assert.ok(unchanged(result) > 500);
  assert.is(parentOf(dir, '5'), '../4');
  await target.gone();

  const stats = await decode(join(dir, '5'), 'stats-dump');
  assert.is(stats.entries[0].dump.pages_skipped_parent, unchanged(result));
  const { pagemaps } = await readSet(join(dir, '5'));
  const holes = pagemaps.flatMap(({ runs }) => runs).filter(({ flags }) => flags === PE_PARENT);
  assert.is(
    holes.reduce((sum, { pages }) => sum + pages, 0),
    unchanged(result),
  );
  const map = await decode(join(dir, '5'), `pagemap-${target.pid}.img`);
  assert.ok(map.entries.some((entry: { in_parent?: boolean }) => entry.in_parent === true));
  await prove(scene, '5');
});

async function decode(dir: string, name: string) {
  const words = ['decode', '-i', join(dir, name)];
  const { stdout } = await execa(oracleProgram('4.2.1', 'crit'), words);
  return JSON.parse(stdout);
}

play('dumps of a tree that runs on are links of a chain, each of which restores', async (scene) => {
  const { dir, target } = scene;
  await take(scene, 'dump', '1', '-R', '--track-mem');
  await target.ask();
  const second = await take(scene, 'dump', '2', '-R', '--track-mem', ...before('1'));
  assert.ok(unchanged(second) > 500);
  await target.ask();
  await target.ask();
  await take<PreDumpResult>(scene, 'pre-dump', '3', '--prev-images-dir', join(dir, '2'));
  assert.is(parentOf(dir, '3'), '../2'); // a path from the root would not survive a move
  await target.ask();
  await take(scene, 'dump', '4', ...before('3'));
  await target.gone();
  await prove(scene, '4');
});

play('a set before is restored beside the tree that goes on', async (scene) => {
  const { target } = scene;
  await take<PreDumpResult>(scene, 'pre-dump', '1');
  await target.ask();
  await target.ask();
  await take(scene, 'dump', '2', '-R', '--track-mem', ...before('1'));
  await prove(scene, '2', true);
  await target.ask();
  const third = await take(scene, 'dump', '3', '-R', ...before('2'));
  assert.ok(unchanged(third) > 500, 'reading it for the copy has cost the tracking nothing');
  await prove(scene, '3', true);
});

play(
  'after a dump that failed, and with another parent than the last, all is written',
  async (scene) => {
    const { dir, target } = scene;
    const isFull = (name: string, result: PreDumpResult | DumpResult): void => {
      assert.is(unchanged(result), 0);
      assert.is(result.track?.since, undefined);
      assert.match(result.warnings.join(), /all pages count as changed: it is not known/);
      assert.is(parentOf(dir, name), undefined);
    };
    await take<PreDumpResult>(scene, 'pre-dump', '1');
    await prove(scene, '1', true).then(
      () => assert.unreachable('a pre-dump was restored'),
      (error: Error) => assert.match(error.message, /Too old image/), // as criu has it
    );
    const script = join(dir, 'script');
    writeFileSync(script, '#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" != post-dump ]\n', {
      mode: 0o755,
    });
    mkdirSync(join(dir, 'failed'));
    const words = ['-t', `${target.pid}`, '-D', join(dir, 'failed'), '-R', '--track-mem'];
    const failed = await ckpt(['dump', ...words, ...before('1'), '--action-script', script]);
    assert.is(failed.code, 1);
    assert.equal(await readdir(join(dir, 'failed')), []);
    await target.ask();
    isFull('2', await take<PreDumpResult>(scene, 'pre-dump', '2', ...before('1')));
    await target.ask();
    const third = await take<PreDumpResult>(scene, 'pre-dump', '3', ...before('2'));
    assert.ok(unchanged(third) > 500);
    await target.ask();
    isFull('4', await take(scene, 'dump', '4', ...before('2'))); // not the last one
    await target.gone();
    await prove(scene, '4');
  },
);

play('a chain moves as a whole; a parent that is moved by itself is missed', async (scene) => {
  const { dir, target } = scene;
  await take<PreDumpResult>(scene, 'pre-dump', '1');
  await target.ask();
  await take<PreDumpResult>(scene, 'pre-dump', '2', ...before('1'));
  renameSync(join(dir, '2'), join(dir, 'moved'));
  mkdirSync(join(dir, '3'));
  const words = ['dump', '-t', `${target.pid}`, '-D', join(dir, '3'), ...before('2')];
  const missed = await ckpt(words);
  assert.is(missed.code, 1);
  assert.match(missed.stderr, /2 is no checkpoint: it is not there/);
  renameSync(join(dir, '1'), join(dir, 'gone'));
  const broken = await ckpt([...words.slice(0, -1), '../moved']);
  assert.is(broken.code, 1);
  assert.match(broken.stderr, /moved\/parent is no checkpoint: it is not there/);
  renameSync(join(dir, 'gone'), join(dir, '1'));
  const { code, stderr } = await ckpt([...words.slice(0, -1), '../moved']);
  assert.is(code, 0, stderr);
  await target.gone();

  const elsewhere = join(dir, 'elsewhere');
  mkdirSync(elsewhere);
  for (const name of ['1', 'moved', '3']) renameSync(join(dir, name), join(elsewhere, name));
  await prove(scene, 'elsewhere/3');
  renameSync(join(elsewhere, 'moved'), join(elsewhere, '2'));
  await prove(scene, 'elsewhere/3').then(
    () => assert.unreachable('restored without its parent'),
    (error: Error) => assert.match(error.message, /[Pp]arent/),
  );
});

play('what the last set replaces is given back to the disk, and it restores', async (scene) => {
  const { dir, target } = scene;
  const blocks = (name: string) => statSync(join(dir, name, 'pages-1.img')).blocks;
  await take<PreDumpResult>(scene, 'pre-dump', '1');
  await target.ask();
  const full = blocks('1');
  const second = await take<PreDumpResult>(scene, 'pre-dump', '2', ...before('1'), '--auto-dedup');
  assert.ok(second.dedup!.freed >= 30 * PAGE, `${second.dedup!.freed} bytes`);
  assert.is(blocks('1'), full - second.dedup!.freed / 512);
  assert.equal(second.dedup!.spent, []);
  await target.ask();
  await take(scene, 'dump', '3', ...before('2'));
  await target.gone();
  const { code, stdout } = await ckpt(['dedup', join(dir, '3'), '--json']);
  assert.is(code, 0);
  assert.ok(JSON.parse(stdout).freed >= 30 * PAGE);
  assert.ok(blocks('1') < full - second.dedup!.freed / 512);
  await prove(scene, '3');
});

interface JsonSet {
  changedSince: string;
  owners: { ranges: JsonRange[] }[];
}

interface JsonRange {
  pages: number;
  offset: number;
  changed: boolean;
  offsetBefore?: number;
}

async function must(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await ckpt(args);
  assert.is(code, 0, stdout + stderr);
  return stdout;
}

play('a store of pages is brought up to date by a list of what has changed', async (scene) => {
  const { dir, target } = scene;
  const list = ['-s', '--skip-pages', '--track-mem'];
  /** The whole store of a set, from the tree that the dump has stopped. */
  const truthOf = async (name: string): Promise<Buffer> => {
    const path = join(dir, `truth-${name}`);
    const args = ['--from', `process:${target.pid}`, '--store', path];
    await must('fill', '-D', join(dir, name), ...args);
    return readFile(path);
  };
  const goOn = async (): Promise<void> => {
    for (const pid of [target.pid, ...descendants(target.pid)]) process.kill(pid, 'SIGCONT');
    await target.ask();
  };
  await take(scene, 'dump', '1', ...list);
  let store = await truthOf('1');
  for (const name of ['2', '3', '4']) {
    await goOn();
    const last = `${Number(name) - 1}`;
    const { pages, warnings } = await take(scene, 'dump', name, ...list, ...before(last));
    assert.equal(warnings, []);
    assert.ok(pages.lazy.unchanged > 500 && pages.lazy.written === 0);
    const names = await readdir(join(dir, name));
    assert.equal(
      names.filter((other) => /^pages-|^parent$/.test(other)),
      [],
    );
    const set: JsonSet = JSON.parse(await must('pages', '-D', join(dir, name), '--json'));
    assert.is(set.changedSince, join(dir, last));
    const truth = await truthOf(name);
    store = refresh(store, truth, set);
    assert.ok(store.equals(truth), `the store of set ${name}`);
  }
  assert.match(await must('pages', '-D', join(dir, '4')), /unchanged/);
  writeFileSync(join(dir, 'store'), store);
  await proveList(scene, '4', `file:${join(dir, 'store')}`);
});

/** The store of a set: what has changed from the tree, the rest from the store of the set before. */
function refresh(store: Buffer, tree: Buffer, { owners }: JsonSet): Buffer {
  const ranges = owners.flatMap((owner) => owner.ranges);
  const fresh = Buffer.alloc(ranges.reduce((sum, { pages }) => sum + pages * PAGE, 0));
  for (const { pages, offset, changed, offsetBefore } of ranges) {
    assert.is(offsetBefore === undefined, changed);
    const [source, at] = changed ? [tree, offset] : [store, offsetBefore!];
    source.copy(fresh, offset, at, at + pages * PAGE);
  }
  return fresh;
}

/** Its pages come late from a store, by `ckpt restore`; and filled it is as any other set. */
async function proveList(scene: Scene, name: string, from: string): Promise<void> {
  const { dir, target } = scene;
  const images = join(dir, name);
  const names = (await readdir(images)).sort();
  const state = join(dir, 'late-state');
  await execa('cp', ['-a', target.state, state]);
  const criu = ['--criu', oracleProgram('4.2.1', 'criu'), '-d'];
  const command = [process.execPath, ckptMain, 'restore', '-D', images, '--from', from, ...criu];
  const keeper = await keep(command, { fresh: { source: state, target: target.state } });
  const code = await until('ckpt restore', () => keeper.ended.get(keeper.started), 60_000);
  assert.is(code, 0);
  const copy = target.restored(keeper, state);
  await askTwice(copy).finally(() => copy.end());
  assert.equal((await readdir(images)).filter((other) => !other.startsWith('stats-')).sort(), names.filter((other) => !other.startsWith('stats-'))); // prettier-ignore

  await must('fill', '-D', images, '--from', from);
  assert.not((await readdir(images)).includes('ckpt-parent'));
  await prove(scene, name, true);
}

test.run();
