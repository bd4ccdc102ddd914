import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DUMP_OPTIONS } from '../../src/cli/options.js';
import { FOREIGN_OPTIONS } from '../../src/cli/criu-options.js';
import { checkout, ckptMain } from '../support/paths.js';
import { withTemp } from '../support/temp.js';
import { ckpt } from './ckpt.js';

const manifest = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));

test('--version and --help go to stdout, with exit code 0', async () => {
  for (const option of ['--version', '-V']) {
    assert.equal(await ckpt([option]), { code: 0, stdout: `ckpt ${manifest.version}`, stderr: '' });
  }
  for (const args of [['--help'], ['-h'], ['dump', '--help'], ['check', '-h']]) {
    const { code, stdout, stderr } = await ckpt(args);
    assert.is(code, 0);
    assert.match(stdout, `ckpt ${args.length > 1 ? args[0] : 'COMMAND'}`);
    assert.is(stderr, '');
  }
});

test('the help of dump has every option that is honoured', async () => {
  const { stdout } = await ckpt(['dump', '--help']);
  for (const [name, { short, value }] of Object.entries(DUMP_OPTIONS)) {
    assert.match(stdout, `${short ? `-${short}, ` : ''}--${name}`);
    if (value) assert.match(stdout, value);
  }
});

test('a wrong command line is one line on stderr, with exit code 2', async () => {
  const cases: [string[], RegExp][] = [
    [[], /^ckpt: a command is missing \(one of dump, pre-dump, check, pages, fill, /],
    [['frobnicate'], /^ckpt: unknown command 'frobnicate'/],
    [['dunp'], /did you mean dump\?/],
    [['restore', '-d'], /--images-dir DIR is missing/],
    [['constructor'], /unknown command/],
    [['dump', 'now'], /unexpected argument 'now'/],
    [['check', '-t', '5'], /ckpt check has no option --tree/],
    [['dump'], /--tree PID is missing/],
    [['dump', '-t', '5'], /--images-dir DIR is missing/],
    [['dump', '-t', 'init'], /'init' is not a number/],
    [['dump', '-t', '0', '-D', '/'], /--tree: 0 is no pid/],
    [['dump', '-t', '5', '-D', '/', '-R', '-s'], /exclude each other/],
    [['dump', '-t', '5', '-D', '/', '--skip-pages=few'], /neither all nor lazy/],
    [['pre-dump', '-D', '/'], /--tree PID is missing/],
    [['pre-dump', '-t', '5', '-D', '/', '--skip-pages'], /pre-dump has no option --skip-pages/],
    [['pre-dump', '-t', '5', '-D', '/', '--pre-dump-mode', 'splice'], /always read while the tree/],
    [['dump', '-t', '5', '-D', '/', '--track-mem', '--max-pause', '1s'], /--track-mem with --max-/],
    [['dump', '--leave-runing'], /did you mean --leave-running\?/],
    [['dump', '-t', '5', '-D', '/', '--status-fd', '77'], /77 is no open descriptor/],
  ];
  for (const [args, line] of cases) {
    const { code, stdout, stderr } = await ckpt(args);
    assert.is(code, 2, args.join(' '));
    assert.is(stdout, '');
    assert.match(stderr, line);
    assert.not.match(stderr, '\n');
  }
});

test('skip-pages is refused beside what needs pages, and says why', async () => {
  const base = ['dump', '-t', '5', '-D', '/', '--skip-pages'];
  for (const [option, ...rest] of [['--page-server'], ['--lazy-pages']]) {
    for (const args of [
      [...base, option!, ...rest],
      ['dump', option!, ...rest, '--skip-pages=lazy', '-t', '5', '-D', '/'],
    ]) {
      const { code, stderr } = await ckpt(args);
      assert.is(code, 2);
      assert.match(stderr, `--skip-pages with ${option}: `);
    }
  }
});

test('with --json a failure is one object on stdout, and nothing on stderr', async () => {
  const cases: [string[], number, string][] = [
    [['dump', '--json'], 2, 'E_USAGE'],
    [['--json', 'dump', '--stream'], 2, 'E_UNSUPPORTED_OPTION'],
    [['dump', '--json', '-t', '5', '-D', '/nowhere'], 1, 'E_IMAGES_DIR'],
  ];
  for (const [args, expected, errorCode] of cases) {
    const { code, stdout, stderr } = await ckpt(args);
    assert.is(code, expected);
    assert.is(stderr, '');
    const { ok, error } = JSON.parse(stdout);
    assert.is(ok, false);
    assert.is(error.code, errorCode);
    assert.type(error.message, 'string');
  }
});

test('names that hold line ends or controls stay on one line', async () => {
  const { stderr } = await ckpt(['dump', '-t', '5', '-D', 'a\nb\x1b[2J']);
  assert.match(stderr, 'a\\x0ab\\x1b[2J');
  assert.not.match(stderr, '\n');
});

test('a helper that is not there is one line that lists the places', async () => {
  await withTemp(async (dir) => {
    const env = { CKPT_HELPER: join(dir, 'none') };
    for (const args of [['check'], ['dump', '-t', '1', '-D', dir]]) {
      const { code, stderr } = await ckpt(args, env);
      assert.is(code, 1);
      assert.match(stderr, `CKPT_HELPER: ${dir}/none does not exist`);
      assert.not.match(stderr, '\n');
    }
  });
});

test('a reader that has seen enough is no reason for a stack trace', async () => {
  const { stdout, stderr } = await execa({
    shell: true,
  })`${process.execPath} ${ckptMain} dump --help | head -n 1; ${process.execPath} ${ckptMain} --version >&-`;
  assert.is(stdout, 'ckpt dump -t PID -D DIR [options]');
  assert.is(stderr, '');
});

test('docs/options.md tells of every option, honoured or not', () => {
  const page = readFileSync(join(checkout, 'docs/options.md'), 'utf8');
  for (const [name, { short }] of Object.entries({ ...FOREIGN_OPTIONS, ...DUMP_OPTIONS })) {
    assert.match(page, new RegExp(`\`--${name}\\b[^\`]*\``), name);
    if (short) assert.match(page, `\`-${short}\``, `-${short}`);
  }
  const [honoured, others] = page.split('## Not honoured');
  for (const name of Object.keys(DUMP_OPTIONS)) assert.match(honoured!, `\`--${name}`);
  for (const name of Object.keys(FOREIGN_OPTIONS)) assert.match(others!, `\`--${name}\``);
});

test.run();
