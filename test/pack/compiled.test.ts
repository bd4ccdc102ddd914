// What V8 compiled of the bundle: taken where it fits, never needed.
import { copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkout } from '../support/paths.js';
import { withTemp } from '../support/temp.js';

const CACHE = 'dist/ckpt.cjs.cache';

/** A copy of what is installed, and how it answers. */
async function withCopy(use: (dir: string, answer: () => Promise<string>) => Promise<void>) {
  await withTemp(async (dir) => {
    mkdirSync(join(dir, 'dist/src/boot'), { recursive: true });
    const files = ['package.json', 'dist/ckpt.cjs', CACHE];
    const boot = 'dist/src/boot/ckpt.cjs';
    for (const file of [...files, boot]) copyFileSync(join(checkout, file), join(dir, file));
    symlinkSync(join(checkout, 'node_modules'), join(dir, 'node_modules'));
    const answer = async () => {
      const { stdout } = await execa(process.execPath, [join(dir, boot), 'dump', '--help']);
      return stdout.split('\n')[0]!;
    };
    await use(dir, answer);
  });
}

/** Whether V8 takes what is kept in `dir`. */
async function isTaken(dir: string): Promise<boolean> {
  const script = `console.log(require('${dir}/dist/src/boot/ckpt.cjs').compile().script.cachedDataRejected)`;
  const { stdout } = await execa(process.execPath, ['-e', script]);
  return stdout === 'false';
}

test('what make build keeps is taken, and the command works with it', () =>
  withCopy(async (dir, answer) => {
    assert.is(await isTaken(dir), true);
    assert.is(await answer(), 'ckpt dump -t PID -D DIR [options]');
  }));

test('without it, or with what another V8 kept, the command works as well', () =>
  withCopy(async (dir, answer) => {
    writeFileSync(join(dir, CACHE), 'of another version, or damaged'.repeat(1000));
    assert.is(await isTaken(dir), false);
    assert.is(await answer(), 'ckpt dump -t PID -D DIR [options]');
    rmSync(join(dir, CACHE));
    assert.is(await answer(), 'ckpt dump -t PID -D DIR [options]');
  }));

test.run();
