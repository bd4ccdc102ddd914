// Without pages, no page content is read: what the helper calls is looked at.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findHelper } from '../../src/helper/find.js';
import { ckpt } from '../cli/ckpt.js';
import { needs } from '../support/skip.js';
import { withTarget, type Scene } from './scene.js';

/** A helper that has its calls written to `log`. */
function tracedHelper(dir: string, log: string): string {
  const path = join(dir, 'traced-helper');
  const strace = `${needs('strace')} -f -qq -e trace=process_vm_readv,openat,pread64 -o ${log}`;
  writeFileSync(path, `#!/bin/sh\nexec ${strace} ${findHelper()}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** Bytes read of the target's memory: by process_vm_readv, and by /proc/PID/mem. */
async function bytesRead({ dir, target, images }: Scene, ...options: string[]) {
  const log = join(dir, 'calls');
  const args = ['dump', '-t', `${target.pid}`, '-D', images, '-R', ...options];
  const { code, stderr } = await ckpt(args, { CKPT_HELPER: tracedHelper(dir, log) });
  assert.is(code, 0, stderr);
  const calls = readFileSync(log, 'utf8');
  const opened = new RegExp(`"/proc/${target.pid}/mem".* = (\\d+)`).exec(calls);
  assert.ok(opened, 'its memory is opened, for the calls that its threads make');
  const sum = (call: RegExp) =>
    [...calls.matchAll(call)].reduce((all, [, bytes]) => all + Number(bytes), 0);
  return {
    copied: sum(/process_vm_readv.* = (\d+)$/gm),
    throughMem: sum(new RegExp(`pread64\\(${opened![1]},.* = (\\d+)$`, 'gm')),
  };
}

const MEMORY = 8 << 20;

test('without pages, none of the memory is read but the stack that calls borrow', () =>
  withTarget(
    'unread',
    async (scene) => {
      const full = await bytesRead(scene);
      assert.ok(full.copied >= MEMORY, `${full.copied} bytes for a full dump`);
      const { copied, throughMem } = await bytesRead(scene, '--skip-pages');
      assert.is(copied, 0);
      assert.ok(throughMem < 32 << 10, `${throughMem} bytes by /proc/PID/mem`);
    },
    'pausemeter',
    ['8', 'dense', '1'],
  ));

test.run();
