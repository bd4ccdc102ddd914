// A tree that is stopped, and dumped again and again.
import { join } from 'node:path';
import { execa } from 'execa';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { mustDump } from '../support/dump.js';
import { restore } from '../support/restore.js';
import { until } from '../support/until.js';
import { status, withTarget } from './scene.js';

test('a stopped tree is stopped once, however often it is dumped, and comes back so', () =>
  withTarget('stopped', async ({ dir, images, target }) => {
    await target.ask();
    for (let n = 0; n < 3; n++) await mustDump('ckpt', target.pid, images, { args: ['-s'] });
    assert.is(status(target.pid, 'ShdPnd'), '0000000000000000');
    process.kill(target.pid, 'SIGSTOP'); // which waits, since it is stopped already
    await mustDump('ckpt', target.pid, images, { args: ['-s'] });

    const state = join(dir, 'copy');
    await execa('cp', ['-a', target.state, state]);
    const copy = await restore(images, target, { state });
    try {
      await until('the copy is stopped', () => status(copy.pid, 'State').startsWith('T'));
      process.kill(copy.pid, 'SIGCONT');
      await copy.ask();
    } finally {
      await copy.end();
    }
    process.kill(target.pid, 'SIGCONT');
    await target.ask();
  }));

test.run();
