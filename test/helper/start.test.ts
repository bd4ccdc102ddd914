import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import { HelperClient } from '../../src/helper/client.js';
import { findHelper } from '../../src/helper/find.js';
import { startHelper } from '../../src/helper/start.js';

const dir = mkdtempSync(join(tmpdir(), 'ckpt-start-'));
const test = suite('find and start');
test.after(() => rmSync(dir, { recursive: true }));

function program(name: string, text: string, mode = 0o755): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

function refusal(path: string): CkptError {
  try {
    findHelper({ CKPT_HELPER: path });
  } catch (error) {
    assert.instance(error, CkptError);
    return error as CkptError;
  }
  throw new Error('found');
}

test('CKPT_HELPER is taken as it is', () => {
  const path = program('helper', '');
  assert.is(findHelper({ CKPT_HELPER: path }), path);
});

test('where CKPT_HELPER will not do, the error says why, and nothing else is tried', () => {
  const missing = refusal(join(dir, 'missing'));
  assert.is(missing.code, 'E_HELPER_NOT_FOUND');
  assert.is(
    missing.message,
    `the helper program was not found; tried CKPT_HELPER: ${dir}/missing does not exist`,
  );
  assert.match(refusal(dir).message, 'is not a file');
  assert.match(refusal(program('plain', '', 0o644)).message, 'is not executable');
});

test('a program that cannot run, and one that ends at once, are errors with the reason', async () => {
  const cases: [string, RegExp][] = [
    [join(dir, 'gone'), /cannot be started: .*ENOENT/],
    [program('garbage', '\0\0\0'), /cannot be started: .*ENOEXEC|exit status/],
    [
      program('fails', '#!/bin/sh\necho first >&2\necho last words >&2\nexit 3\n'),
      /3: last words$/,
    ],
    [program('killed', '#!/bin/sh\nkill -9 $$\n'), /killed by SIGKILL$/],
  ];
  for (const [path, reason] of cases) {
    const lines: string[] = [];
    try {
      await new HelperClient(startHelper(path, (line) => lines.push(line))).greet();
      assert.unreachable(path);
    } catch (error) {
      assert.instance(error, CkptError, String(error));
      assert.is((error as CkptError).code, 'E_HELPER_DIED');
      assert.match((error as CkptError).message, reason);
    }
    if (path.endsWith('fails')) assert.equal(lines, ['first', 'last words']);
  }
});

test('close lets a program that reads its stdin leave by itself', async () => {
  const peer = startHelper('/bin/cat');
  peer.stdin.end();
  assert.is(await peer.exited, 'exit status 0');
});

test('close does not wait for what nobody reads', async () => {
  const peer = startHelper(program('talks', '#!/bin/sh\nyes | head -c 1000000\nread line\n'));
  const start = performance.now();
  await new HelperClient(peer).close();
  assert.ok(performance.now() - start < 2000, 'it was not waited for in vain');
  assert.match(await peer.exited, /SIGPIPE|SIGKILL|exit status/);
});

test.run();
