// What a small dump loads: each module costs it a millisecond or two of the few it has.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { withTarget } from '../dump/scene.js';
import { ckptInstalled } from '../support/paths.js';

/** Tells at exit on stderr which files were required, and which of Node's modules are there. */
const spy = `process.on('exit', () => {
  const files = Object.keys(require.cache).filter((file) => file !== __filename);
  process.stderr.write(JSON.stringify({ files, builtin: process.moduleLoadList }));
});`;

test('a dump needs no file but the bundle, and no module of Node that it could do without', () =>
  withTarget('lean', async ({ dir, images, target }) => {
    const preload = join(dir, 'spy.cjs');
    writeFileSync(preload, spy);
    const dump = ['dump', '-t', `${target.pid}`, '-D', images, '-R', '--json'];
    const words = ['--require', preload, ckptInstalled, ...dump];
    const { stderr } = await execa(process.execPath, words);
    const { files, builtin } = JSON.parse(stderr) as Record<string, string[]>;
    assert.equal(files, [ckptInstalled]);
    assert.ok(builtin!.includes('NativeModule child_process'));
    for (const name of ['readline', 'perf_hooks', 'fs/promises', 'http', 'worker_threads']) {
      assert.not(builtin!.includes(`NativeModule ${name}`), name);
    }
  }));

test.run();
