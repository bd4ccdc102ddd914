// Tracking by itself: what it tells, that it lasts, and that it leaves nothing behind.
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError, track, type Tracking } from '../../src/index.js';
import { ckpt } from '../cli/ckpt.js';
import { withTarget, type Scene } from '../dump/scene.js';
import { procText } from '../support/proc.js';
import { until } from '../support/until.js';

const FOLDER = '/run/ckpt';

const play = (name: string, story: (scene: Scene) => Promise<void>): void =>
  test(name, () => withTarget(name, story, 'anonymous', ['16']));

const start = (pid: number): Promise<Tracking> => track({ tree: pid, action: 'start' });
const status = (pid: number): Promise<Tracking> => track({ tree: pid, action: 'status' });
const stop = (pid: number): Promise<Tracking> => track({ tree: pid, action: 'stop' });

const sockets = (pid: number): string[] =>
  existsSync(FOLDER) ? readdirSync(FOLDER).filter((name) => name.startsWith(`track-${pid}-`)) : [];

/** It has ended, be it that nobody has waited for it yet. */
function isOver(pid: number): boolean {
  const text = procText(`/proc/${pid}/status`);
  return text === '' || /^State:\s+[ZX]/m.test(text);
}

/** What tracking could leave behind in a process. */
function traces(pid: number): unknown {
  const fds = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  const flags = procText(`/proc/${pid}/smaps`).match(/^VmFlags:.*$/gm);
  return { fds, maps: procText(`/proc/${pid}/maps`), flags };
}

async function errorOf(promise: Promise<unknown>): Promise<CkptError> {
  const error = await promise.then(
    () => undefined,
    (error) => error as unknown,
  );
  assert.instance(error, CkptError);
  return error as CkptError;
}

play('tracking tells what is written, lasts, and leaves nothing behind', async ({ target }) => {
  const { pid } = target;
  const before = traces(pid);
  const started = await start(pid);
  assert.is(started.spaces, 1);
  assert.is(started.setId, undefined);
  assert.ok(started.pages > 2000 && started.written < started.pages / 2, JSON.stringify(started));
  assert.is(sockets(pid).length, 1);
  await target.ask(); // it writes a little
  const later = await status(pid);
  assert.is(later.keeper, started.keeper);
  assert.ok(later.written > started.written, JSON.stringify(later));
  const again = await start(pid);
  assert.is(again.keeper, started.keeper);
  assert.ok(again.written >= later.written, 'nothing is begun anew');
  assert.equal(await stop(pid), { spaces: 0, pages: 0, written: 0 });
  assert.equal(traces(pid), before);
  assert.equal(sockets(pid), []);
  await until('the keeper is gone', () => isOver(started.keeper!));
  for (const action of [status, stop]) {
    assert.is((await errorOf(action(pid))).code, 'E_NOT_TRACKED');
  }
  await target.ask();
});

play('a keeper that is killed leaves nothing behind but its name', async ({ target }) => {
  const { pid } = target;
  const before = traces(pid);
  const { keeper } = await start(pid);
  process.kill(keeper!, 'SIGKILL');
  await until('the keeper is gone', () => isOver(keeper!));
  assert.equal(traces(pid), before);
  assert.is(sockets(pid).length, 1);
  assert.is((await errorOf(status(pid))).code, 'E_NOT_TRACKED');
  const again = await start(pid);
  assert.is.not(again.keeper, keeper);
  await stop(pid);
  assert.equal(sockets(pid), []);
});

play('a keeper ends with its tree', async ({ target }) => {
  const { keeper } = await start(target.pid);
  await target.end();
  await until('the keeper is gone', () => isOver(keeper!));
  assert.equal(sockets(target.pid), []);
});

play('one of two at once has the keeper, or the same', async ({ target }) => {
  const both = await Promise.all(
    [start(target.pid), start(target.pid)].map((one) => one.catch((e) => e)),
  );
  for (const one of both) {
    if (one instanceof CkptError)
      assert.ok(['E_PERMISSION', 'E_TOO_BUSY'].includes(one.code), one.message);
  }
  const { keeper, spaces } = await status(target.pid);
  assert.is(spaces, 1);
  await stop(target.pid);
  await until('the keeper is gone', () => isOver(keeper!));
});

play('a stranger is refused, and nonsense does no harm', async ({ target }) => {
  const { pid } = target;
  const { keeper } = await start(pid);
  const path = join(FOLDER, sockets(pid)[0]!);
  const say = [
    'import os, socket, sys',
    'if len(sys.argv) > 2: os.setgroups([]); os.setgid(65534); os.setuid(65534)',
    'for word in [b"nonsense", b"{}", b"x" * 9000, b\'{"op":"commit","epoch":"no"}\', b\'{"op":"space","pid":1,"start":1}\']:',
    '    t = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)',
    '    t.connect(sys.argv[1])',
    '    t.send(word)',
    '    t.settimeout(10)',
    '    try: print(t.recv(100))',
    '    except ConnectionResetError: print(b"")',
  ].join('\n');
  const heard = await execa('python3', ['-c', say, path]);
  assert.equal(heard.stdout.split('\n'), Array(5).fill("b''"));
  const stranger = await execa('python3', ['-c', say, path, 'nobody'], { reject: false });
  assert.match(stranger.stderr, 'PermissionError');
  assert.is((await status(pid)).keeper, keeper);
  await stop(pid);
});

play('a program that is executed is not tracked; the one before was', async ({ dir }) => {
  mkdirSync(join(dir, 'other'));
  const shell = execa('sh', ['-c', 'read word; exec sleep 1000'], { reject: false });
  try {
    assert.is((await start(shell.pid!)).spaces, 1);
    shell.stdin!.write('go\n');
    await until('it sleeps', () => readFileSync(`/proc/${shell.pid}/comm`, 'utf8') === 'sleep\n');
    const { pages, written } = await status(shell.pid!);
    assert.ok(pages > 0);
    assert.is(written, pages);
    await stop(shell.pid!);
  } finally {
    shell.kill('SIGKILL');
    await shell;
  }
});

play('the command says it to people, and to programs', async ({ target }) => {
  const { pid } = target;
  const words = ['-t', `${pid}`];
  const begun = await ckpt(['track', 'start', ...words]);
  assert.is(begun.code, 0, begun.stderr);
  assert.match(begun.stdout, new RegExp(`^${pid} is tracked: 1 address space, by process \\d+\n`));
  assert.match(begun.stdout, / MiB written in the \d+ s since it began$/);
  const { ok, ...told } = JSON.parse((await ckpt(['track', 'status', ...words, '--json'])).stdout);
  assert.is(ok, true);
  assert.is(told.spaces, 1);
  assert.is((await ckpt(['track', 'stop', ...words])).stdout, `${pid} is not tracked any more`);
  const none = await ckpt(['track', 'stop', ...words]);
  assert.is(none.code, 1);
  assert.match(none.stderr, /^ckpt: pid \d+ is not tracked \(ckpt track start -t \d+\)$/);
});

test('what makes no sense is refused', async () => {
  for (const words of [
    ['track'],
    ['track', 'begin', '-t', '1'],
    ['track', 'start'],
    ['track', 'stop', '-t', '0'],
  ]) {
    const { code, stderr } = await ckpt(words);
    assert.is(code, 2, stderr);
  }
  assert.is((await errorOf(start(2 ** 22))).code, 'E_NO_SUCH_PROCESS');
});

test.run();
