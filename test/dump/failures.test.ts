// What goes wrong in a dump is one clear line; the target is as it was, and nothing is left behind.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError, dump } from '../../src/index.js';
import { ckptMain } from '../support/paths.js';
import { orSkip, Skip } from '../support/skip.js';
import { Target } from '../support/target.js';
import { withTemp } from '../support/temp.js';
import { until } from '../support/until.js';
import { ckpt, type Ended } from '../cli/ckpt.js';
import { script, status, withTarget, type Scene } from './scene.js';

/** The target runs, nobody traces it, and it answers correctly. */
async function isUnharmed(target: Target): Promise<void> {
  assert.match(status(target.pid, 'State'), /^[RSD]/);
  assert.is(status(target.pid, 'TracerPid'), '0');
  await target.ask();
}

/** A test on a target that has to be unharmed in the end, with the folder as it was. */
function scene(
  name: string,
  play: (scene: Scene) => Promise<void>,
  fixture?: string,
  args?: string[],
): void {
  const whole = async (scene: Scene) => {
    await play(scene);
    await isUnharmed(scene.target);
    assert.equal(readdirSync(scene.images), [], 'nothing is left behind');
  };
  test(name, () => withTarget(name, whole, fixture, args));
}

function isOneLine({ code, stdout, stderr }: Ended, line: RegExp, expected = 1): void {
  assert.match(stderr, line);
  assert.not.match(stderr, '\n');
  assert.is(stdout, '');
  assert.is(code, expected);
}

async function codeOf(promise: PromiseLike<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    assert.instance(error, CkptError, String(error));
    return (error as CkptError).code;
  }
  throw new Error('it succeeded');
}

/** `ckpt dump` with --json, to its end: the error's code. */
async function jsonCode(...args: string[]): Promise<string> {
  const { code, stdout } = await ckpt(['dump', '--json', ...args]);
  assert.is(code, 1, stdout);
  return JSON.parse(stdout).error.code;
}

test('a pid that is nobody, a kernel thread, our own ancestor', () =>
  orSkip('pids', () =>
    withTemp(async (dir) => {
      assert.is(await jsonCode('-t', '4194300', '-D', dir), 'E_NO_SUCH_PROCESS');
      isOneLine(await ckpt(['dump', '-t', '4194300', '-D', dir]), /4194300/);
      assert.is(await jsonCode('-t', `${process.pid}`, '-D', dir), 'E_OWN_ANCESTOR');
      assert.is(await jsonCode('-t', '1', '-D', dir), 'E_OWN_ANCESTOR');
      if (existsSync('/proc/2') && readFileSync('/proc/2/comm', 'utf8') === 'kthreadd\n') {
        assert.is(await jsonCode('-t', '2', '-D', dir), 'E_KERNEL_THREAD');
      }
      assert.equal(readdirSync(dir), []);
    }),
  ));

test('a zombie', () =>
  orSkip('zombie', () =>
    withTemp(async (dir) => {
      // The shell's child ends, and what the shell becomes never waits for it.
      const words = ['-c', 'sleep 0 & echo $!; exec sleep 60'];
      const parent = spawn('sh', words, { stdio: ['ignore', 'pipe', 'inherit'] });
      const [line] = (await once(parent.stdout, 'data')) as [Buffer];
      const pid = line.toString().trim();
      await until('a zombie', () => status(Number(pid), 'State').startsWith('Z'));
      assert.is(await jsonCode('-t', pid, '-D', dir), 'E_ZOMBIE');
      assert.equal(readdirSync(dir), []);
      parent.kill();
      await once(parent, 'close');
    }),
  ));

scene('a folder that is missing, or none', async ({ dir, target }) => {
  const at = (...words: string[]) => ckpt(['dump', '-t', `${target.pid}`, ...words]);
  isOneLine(await at('-D', join(dir, 'none')), /--images-dir: .*no such file or directory/);
  isOneLine(await at('-D', '/proc/version'), /--images-dir: .* is no folder/);
  isOneLine(await at('-D', dir, '-W', join(dir, 'none')), /--work-dir: .*no such file/);
});

scene('a folder on a file system that is read-only', async ({ images, target }) => {
  await mount(images, 'ro', async () => {
    const ended = await ckpt(['dump', '-t', `${target.pid}`, '-D', images]);
    isOneLine(ended, /--images-dir: .*read-only file system/);
  });
});

for (const size of ['4k', '64k', '1m']) {
  scene(
    `a disk that is full at ${size}`,
    async ({ images, target }) => {
      await mount(images, `size=${size}`, async () => {
        assert.is(await jsonCode('-t', `${target.pid}`, '-D', images), 'E_NO_SPACE');
        assert.equal(readdirSync(images), []);
        isOneLine(await ckpt(['dump', '-t', `${target.pid}`, '-D', images]), /no space left/i);
        assert.equal(readdirSync(images), []);
      });
    },
    'anonymous',
    ['16', 'dense'],
  );
}

async function mount(dir: string, options: string, use: () => Promise<void>): Promise<void> {
  const { failed } = await execa('mount', ['-t', 'tmpfs', '-o', options, 'none', dir], {
    reject: false,
  });
  if (failed) throw new Skip('nothing can be mounted here');
  try {
    await use();
  } finally {
    await execa('umount', [dir]);
  }
}

scene(
  'an action script that fails before the dump, or after it',
  async ({ dir, images, target }) => {
    const base = ['dump', '-t', `${target.pid}`, '-D', images];
    for (const stage of ['pre-dump', 'post-dump']) {
      const file = script(dir, `test "$CRTOOLS_SCRIPT_ACTION" != ${stage}`);
      isOneLine(
        await ckpt([...base, '--action-script', file]),
        new RegExp(`failed at ${stage}: exit`),
      );
    }
  },
);

scene('a pidfile that is there already', async ({ dir, images, target }) => {
  const pidfile = join(dir, 'pid');
  writeFileSync(pidfile, 'kept');
  isOneLine(
    await ckpt(['dump', '-t', `${target.pid}`, '-D', images, '--pidfile', pidfile]),
    /cannot make .*pid: file already exists/,
  );
  assert.is(readFileSync(pidfile, 'utf8'), 'kept');
});

scene('a timeout covers all of the dump, scripts too', async ({ dir, images, target }) => {
  const actionScript = script(dir, 'test "$CRTOOLS_SCRIPT_ACTION" = pre-dump || exec sleep 30');
  const args = ['-t', `${target.pid}`, '-D', images, '--timeout', '1'];
  assert.is(await jsonCode(...args, '--action-script', actionScript), 'E_TIMEOUT');
});

scene(
  'a timeout ends a copy',
  async ({ images, target }) => {
    for (const timeout of [0.001, 0.01, 0.05]) {
      const code = await codeOf(dump({ tree: target.pid, imagesDir: images, timeout }));
      assert.is(code, 'E_TIMEOUT', `${timeout} s`);
    }
  },
  'anonymous',
  ['512', 'dense'],
);

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  scene(`${signal} lets the target go`, async ({ dir, images, target }) => {
    const file = script(
      dir,
      `test "$CRTOOLS_SCRIPT_ACTION" = pre-dump || { touch ${dir}/frozen; exec sleep 30; }`,
    );
    const args = ['dump', '-t', `${target.pid}`, '-D', images, '--action-script', file];
    const running = execa(process.execPath, [ckptMain, ...args], { reject: false });
    await until('the script to run', () => existsSync(join(dir, 'frozen')), 20_000);
    assert.match(status(target.pid, 'State'), /^t/, 'it is held');
    assert.ok(existsSync(join(images, 'inventory.img')), 'the set is complete');
    running.kill(signal);
    const { exitCode, stderr } = await running;
    assert.is(exitCode, 1);
    assert.is(stderr, `ckpt: the dump was aborted by ${signal}`);
  });
}

scene(
  'an AbortSignal ends a dump wherever it is',
  async ({ images, target }) => {
    const options = { tree: target.pid, imagesDir: images };
    assert.is(await codeOf(dump({ ...options, signal: AbortSignal.abort() })), 'E_ABORTED');
    for (const delay of [1, 5, 20, 60, 120]) {
      const controller = new AbortController();
      const code = codeOf(dump({ ...options, signal: controller.signal }));
      await sleep(delay);
      controller.abort();
      assert.is(await code, 'E_ABORTED', `after ${delay} ms`);
      assert.equal(readdirSync(images), []);
    }
  },
  'anonymous',
  ['512', 'dense'],
);

scene('the death of the helper', async ({ dir, images, target }) => {
  // ckpt has two children: this script, and the helper.
  const kill = 'for pid in $(pgrep -P $PPID); do test $pid = $$ || kill -KILL $pid; done';
  const file = script(dir, `test "$CRTOOLS_SCRIPT_ACTION" = pre-dump && exit; ${kill}`);
  const args = ['-t', `${target.pid}`, '-D', images, '--action-script', file];
  assert.is(await jsonCode(...args), 'E_HELPER_DIED');
  // The set was complete, and the helper may have ended the tree: it is not thrown away.
  assert.ok(existsSync(join(images, 'inventory.img')));
  for (const name of readdirSync(images)) await execa('rm', [join(images, name)]);
});

test('a set without pages is no parent, nor is what is no set, or would lose its own', () =>
  orSkip('parents', () =>
    withTemp(async (dir) => {
      const target = await Target.start('threads', join(dir, 'state'), ['1']);
      try {
        const base = ['dump', '-t', `${target.pid}`, '-R', '-D'];
        for (const [name, ...options] of [
          ['none', '--skip-pages'],
          ['some', '--skip-pages=lazy'],
          ['all'],
          ['child'],
        ]) {
          mkdirSync(join(dir, name!));
          const { code, stderr } = await ckpt([...base, join(dir, name!), ...options]);
          assert.is(code, 0, stderr);
        }
        symlinkSync('../all', join(dir, 'child/parent'));
        mkdirSync(join(dir, 'next'));
        const cases: [name: string, parent: string, reason: RegExp, code: number][] = [
          ['next', '../none', /dumped without its pages/, 2],
          ['next', '../some', /dumped without its pages/, 2],
          ['next', '../nowhere', /nowhere is no checkpoint: it is not there/, 1],
          ['next', '../state', /state is no checkpoint: it has no inventory.img/, 1],
          ['next', '.', /is the folder of the new set itself/, 2],
          ['all', '../child', /child needs the set in .*all, which this dump would replace/, 2],
        ];
        const before = readdirSync(join(dir, 'all'));
        for (const [name, parent, reason, code] of cases) {
          const words = [...base, join(dir, name), '--prev-images-dir', parent];
          isOneLine(await ckpt(words), reason, code);
        }
        assert.equal(readdirSync(join(dir, 'next')), []);
        assert.equal(readdirSync(join(dir, 'all')), before);
        symlinkSync('../child', join(dir, 'all/parent'));
        const ring = [...base, join(dir, 'next'), '--prev-images-dir', '../all'];
        isOneLine(await ckpt(ring), /it leads in a ring/, 1);
      } finally {
        await target.end();
      }
    }),
  ));

test.run();
