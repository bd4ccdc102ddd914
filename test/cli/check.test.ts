import { execa } from 'execa';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MEANINGS } from '../../src/check/meanings.js';
import { check, type CheckItem } from '../../src/index.js';
import { ckptMain } from '../support/paths.js';
import { orSkip } from '../support/skip.js';
import { ckpt } from './ckpt.js';

test('every item is known, and says what it means', async () => {
  const { items, kernel, arch } = await check();
  assert.match(kernel, /^\d+\.\d+/);
  assert.is(arch, 'x86_64');
  for (const { name, detail, meaning } of items) {
    assert.ok(MEANINGS[name], `${name} has no meaning`);
    assert.ok(meaning.length > 0 && !/\n/.test(meaning + detail), name);
  }
  const names = items.map(({ name }) => name);
  for (const name of ['pagemap_scan', 'ptrace_seize', 'pidfd_getfd', 'kcmp', 'CAP_SYS_PTRACE']) {
    assert.ok(names.includes(name), name);
  }
});

test('--json prints the same, a table says it to people, and the exit code tells', async () => {
  const result = await check();
  const json = await ckpt(['check', '--json']);
  assert.equal(JSON.parse(json.stdout), result);
  assert.is(json.code, result.ok ? 0 : 1);
  const { stdout, stderr, code } = await ckpt(['check']);
  assert.is(code, json.code);
  assert.is(stderr, '');
  const [first, , ...rows] = stdout.split('\n');
  assert.match(first!, result.ok ? /: dumps work here$/ : /: dumps do not work here$/);
  assert.is(rows.length, result.items.length);
  result.items.forEach(({ name, meaning }: CheckItem, i: number) => {
    assert.match(rows[i]!, name);
    assert.match(rows[i]!, meaning);
  });
});

test('without privileges a dump cannot work, and check says so', () =>
  orSkip('check without privileges', async () => {
    const words = [
      '--reuid',
      '65534',
      '--regid',
      '65534',
      '--clear-groups',
      '--bounding-set',
      '-all',
    ];
    const command = [process.execPath, ckptMain, 'check', '--json'];
    const { stdout, exitCode } = await execa('setpriv', [...words, ...command], { reject: false });
    assert.is(exitCode, 1, stdout);
    const { ok, items } = JSON.parse(stdout);
    assert.is(ok, false);
    const missing = items.filter((item: CheckItem) => item.required && !item.ok);
    assert.ok(missing.length > 0);
    for (const { meaning } of missing) assert.match(meaning, /cannot|can be dumped|needed/);
  }));

test.run();
