#!/usr/bin/env node
// Keeps what V8 compiles of the bundle while it dumps a process of ours, for src/boot/ckpt.cts.
// Where nothing can be dumped, as by a user that is not root, less is kept, and all works.
// Its output is that of the dump.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const { cache, compile } = createRequire(import.meta.url)('../dist/src/boot/ckpt.cjs');

rmSync(cache, { force: true });
const dir = mkdtempSync(join(tmpdir(), 'ckpt-warm-'));
const closeAll = 'for fd in /proc/self/fd/*; do fd=${fd##*/}; ((fd < 3)) || exec {fd}>&-; done';
const words = ['-c', `${closeAll} 2>/dev/null; exec sleep 60`];
const target = spawn('bash', words, { stdio: 'ignore', detached: true });
target.unref();
await sleep(200);
const { script, run } = compile();

process.on('exit', () => {
  writeFileSync(cache, script.createCachedData());
  target.kill();
  rmSync(dir, { recursive: true, force: true });
  process.exitCode = 0;
});
process.argv = [
  ...process.argv.slice(0, 2),
  'dump',
  '-t',
  `${target.pid}`,
  '-D',
  dir,
  '-R',
  '--json',
];
run();
