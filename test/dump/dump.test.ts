// Dumps that succeed: what becomes of the tree, what is written, what is told.
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dump, type Progress } from '../../src/index.js';
import { ckptMain, oracleProgram } from '../support/paths.js';
import { until } from '../support/until.js';
import { ckpt } from '../cli/ckpt.js';
import { script, status, withTarget, type Scene } from './scene.js';

function scene(
  name: string,
  play: (scene: Scene) => Promise<void>,
  fixture?: string,
  args?: string[],
): void {
  test(name, () => withTarget(name, play, fixture, args));
}

/** Runs `ckpt dump --json`, which must succeed; what it printed. */
async function dumpJson({ target, images }: Scene, ...options: string[]) {
  const args = ['dump', '-t', `${target.pid}`, '-D', images, '--json', ...options];
  const { code, stdout, stderr } = await ckpt(args);
  assert.is(code, 0, stdout + stderr);
  return JSON.parse(stdout);
}

scene('by default the tree is killed, when the set is complete', async (scene) => {
  const { left } = await dumpJson(scene);
  assert.is(left, 'dead');
  await scene.target.gone();
  assert.ok(existsSync(join(scene.images, 'inventory.img')));
});

scene('-R lets the tree run on', async (scene) => {
  const beats = await scene.target.ask();
  assert.is((await dumpJson(scene, '-R')).left, 'running');
  assert.match(status(scene.target.pid, 'State'), /^[RS]/);
  assert.ok((await scene.target.ask()) > beats);
});

scene('-s leaves the tree stopped, until SIGCONT', async (scene) => {
  const { target } = scene;
  assert.is((await dumpJson(scene, '-s')).left, 'stopped');
  await until('the stop', () => status(target.pid, 'State').startsWith('T'));
  assert.is(status(target.pid, 'TracerPid'), '0');
  process.kill(target.pid, 'SIGCONT');
  await target.ask();
});

scene('the result tells times, pages, processes and files as they are', async (scene) => {
  const result = await dumpJson(scene, '-R');
  const { ok, tree, imagesDir, pauseUs, timesUs, processes, threads, files, pages } = result;
  assert.is(ok, true);
  assert.is(tree, scene.target.pid);
  assert.is(imagesDir, scene.images);
  assert.ok(pauseUs > 0 && pauseUs < timesUs.total, `pause ${pauseUs} of ${timesUs.total}`);
  assert.is(processes.length, 1);
  assert.is(processes[0].pid, tree);
  assert.is(threads, Number(status(tree, 'Threads')));
  const onDisk = readdirSync(scene.images).filter((name) => name !== 'stats-dump');
  assert.equal(files.map(({ name }: { name: string }) => name).sort(), onDisk.sort());
  for (const { name, size } of files) {
    const { size: real, mode } = statSync(join(scene.images, name));
    assert.is(size, real, name);
    assert.is(mode & 0o777, 0o600, name);
  }
  const { lazy, other, shared } = pages;
  assert.is(lazy.written + other.written, statSync(join(scene.images, 'pages-1.img')).size / 4096);
  assert.equal(processes[0].pages, {
    listed: lazy.listed + other.listed,
    written: lazy.written + other.written,
    unchanged: 0,
  });
  assert.equal(shared, { listed: 0, written: 0, unchanged: 0 });
});

scene('without pages none is written, and the result says so', async (scene) => {
  const { pages, skipPages, files } = await dumpJson(scene, '-R', '--skip-pages');
  assert.is(skipPages, 'all');
  assert.ok(pages.lazy.listed > 0);
  assert.is(pages.lazy.written + pages.other.written + pages.shared.written, 0);
  assert.not(files.some(({ name }: { name: string }) => name.startsWith('pages-')));
});

scene(
  'for people there is a summary on stderr, and nothing on stdout',
  async ({ target, images }) => {
    const { stdout, stderr } = await ckpt(['dump', '-t', `${target.pid}`, '-D', images, '-R']);
    assert.is(stdout, '');
    assert.match(stderr, /^Dumped 1 process, \d+ threads in [\d.]+ ms; pause [\d.]+ ms\n/);
    assert.match(stderr, /\n  pages   \d+ lazy-capable \([\d.]+ [KM]iB\)/);
    assert.match(stderr, new RegExp(`\n  images  \\d+ files, [\\d.]+ [KM]iB in ${images}\n`));
    assert.match(stderr, new RegExp(`\n  tree    ${target.pid} runs on$`));
  },
);

scene(
  'pages of zeros are left out, and the summary says how many',
  async ({ target, images }) => {
    const { stderr } = await ckpt(['dump', '-t', `${target.pid}`, '-D', images, '-R']);
    assert.match(stderr, /\n  pages   .*; \d{3} zero pages left out\n/);
  },
  'anonymous',
  [],
);

scene('the work folder gets log and statistics, and crit reads these', async (scene) => {
  const work = scene.dir;
  const result = await dumpJson(scene, '-R', '-W', work, '-o', 'dump.log', '-v4');
  assert.match(readFileSync(join(work, 'dump.log'), 'utf8'), /^\(\d\d\.\d{6}\) starting /);
  assert.not(existsSync(join(scene.images, 'stats-dump')));
  const crit = oracleProgram('4.2.1', 'crit');
  const { stdout } = await execa(crit, ['show', join(work, 'stats-dump')]);
  const { dump: stats } = JSON.parse(stdout).entries[0];
  assert.is(stats.frozen_time, result.pauseUs);
  assert.is(stats.pages_written, result.pages.lazy.written + result.pages.other.written);
  assert.ok(stats.pages_scanned >= stats.pages_written);
});

scene('an action script sees the tree frozen and the set complete', async (scene) => {
  const { dir, target } = scene;
  const facts = 'echo $CRTOOLS_SCRIPT_ACTION $(grep ^State /proc/$CRTOOLS_INIT_PID/status)';
  const file = script(
    dir,
    `{ ${facts}; ls $CRTOOLS_IMAGE_DIR | grep -c inventory || true; } >>${dir}/seen`,
  );
  await dumpJson(scene, '-R', '--action-script', file);
  const [before, none, after, one] = readFileSync(join(dir, 'seen'), 'utf8').split('\n');
  assert.match(before!, /^pre-dump State: [RS]/);
  assert.is(none, '0');
  assert.match(after!, /^post-dump State: t/);
  assert.is(one, '1');
  await target.ask();
});

scene('pidfile and status descriptor', async ({ dir, images, target }) => {
  const [pidfile, statusFile] = [join(dir, 'pid'), join(dir, 'status')];
  const args = ['-R', '--pidfile', pidfile, '--status-fd', '3'];
  await execa('sh', [
    '-c',
    'exec 3>"$1"; shift; exec "$@"',
    'sh',
    statusFile,
    process.execPath,
    ckptMain,
    ...['dump', '-t', `${target.pid}`, '-D', images, ...args],
  ]);
  assert.is(readFileSync(pidfile, 'utf8'), `${target.pid}`);
  assert.equal([...readFileSync(statusFile)], [0]);
});

scene('a second dump replaces the first, whatever was in it', async (scene) => {
  await dumpJson(scene, '-R');
  writeFileSync(join(scene.images, 'notes'), '');
  writeFileSync(join(scene.images, 'core-1.img'), 'stale');
  await dumpJson(scene, '-R', '--skip-pages');
  const names = readdirSync(scene.images);
  assert.ok(names.includes('notes') && names.includes('inventory.img'));
  assert.equal(
    names.filter((name) => name === 'core-1.img' || name.startsWith('pages-')),
    [],
  );
});

scene(
  'progress comes to a callback, and to whoever iterates',
  async ({ images, target }) => {
    const told: Progress[] = [];
    const onProgress = (progress: Progress) => told.push(progress);
    const run = dump({ tree: target.pid, imagesDir: images, leaveRunning: true, onProgress });
    const seen: Progress[] = [];
    for await (const progress of run) seen.push(progress);
    const { pages } = await run;
    assert.equal(seen, told);
    const copies = seen.filter(({ phase }) => phase === 'copy');
    assert.ok(copies.length > 0, 'a copy of 256 MiB has progress');
    const { done, total } = copies.at(-1)!;
    assert.ok(done <= total && total >= pages.lazy.listed, `${done} of ${total}`);
  },
  'anonymous',
  ['256', 'dense'],
);

test.run();
