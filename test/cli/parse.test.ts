import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import { DUMP_OPTIONS } from '../../src/cli/options.js';
import { parse } from '../../src/cli/parse.js';

function values(...argv: string[]): Record<string, unknown> {
  return parse(argv, DUMP_OPTIONS).values;
}

function refusal(...argv: string[]): CkptError {
  try {
    parse(argv, DUMP_OPTIONS);
  } catch (error) {
    assert.instance(error, CkptError);
    return error as CkptError;
  }
  throw new Error(`accepted: ${argv.join(' ')}`);
}

test('options and operands in any order, in every spelling of getopt_long', () => {
  const expected = { tree: 5, 'images-dir': 'd', 'leave-running': true };
  for (const line of [
    '-t 5 -D d -R',
    '-t5 -RDd',
    '--tree=5 --images-dir d --leave-running',
    '-Rt5 -Dd',
  ]) {
    assert.equal(values(...line.split(' ')), expected, line);
  }
  assert.equal(parse(['-R', 'dump', '-t', '1', 'more'], DUMP_OPTIONS).operands, ['dump', 'more']);
});

test('verbosity counts up from 2, or is said', () => {
  assert.is(values('-v').verbosity, 3);
  assert.is(values('-vvv').verbosity, 5);
  assert.is(values('-v', '-v').verbosity, 4);
  assert.is(values('-v4').verbosity, 4);
  assert.is(values('-v0').verbosity, 0);
  assert.is(values('--verbosity=3').verbosity, 3);
  assert.is(values('--verbosity').verbosity, 3);
});

test('skip-pages stands for all, and never takes the next word', () => {
  const line = parse(['--skip-pages', 'dump'], DUMP_OPTIONS);
  assert.is(line.values['skip-pages'], 'all');
  assert.equal(line.operands, ['dump']);
  assert.is(values('--skip-pages=lazy')['skip-pages'], 'lazy');
});

test('sizes, lists and switches turned off', () => {
  assert.is(values('--ghost-limit', '64K')['ghost-limit'], 65536);
  assert.is(values('--ghost-limit=2M')['ghost-limit'], 2097152);
  assert.is(values('--ghost-limit=7')['ghost-limit'], 7);
  assert.equal(values('--external', 'a', '--external=b').external, ['a', 'b']);
  assert.is(values('-j', '--no-shell-job')['shell-job'], false);
  assert.is(values('--no-tcp-close')['tcp-close'], false, 'what is off anyway may be turned off');
});

test('bad values are usage errors that name the option', () => {
  const cases: [string[], string][] = [
    [['-t', 'abc'], "-t: 'abc' is not a number"],
    [['--tree=-5'], "--tree: '-5' is not a number"],
    [['--tree=1.5'], "--tree: '1.5' is not a number"],
    [['-t'], '-t needs a value: PID'],
    [['--images-dir='], '--images-dir needs a value: DIR'],
    [['--leave-running=yes'], '--leave-running takes no value'],
    [['--ghost-limit', '1T'], "--ghost-limit: '1T' is not a size such as 64K, 8M or 1G"],
    [['-vx'], 'unknown option -x'],
  ];
  for (const [argv, message] of cases.slice(0, -1)) {
    const error = refusal(...argv);
    assert.is(error.message, message);
    assert.is(error.code, 'E_USAGE');
    assert.is(error.exitCode, 2);
  }
});

test('an unknown option is answered with the nearest known one', () => {
  const meant = (word: string) => refusal(word).details.remedy;
  assert.is(meant('--leave-runing'), 'did you mean --leave-running?');
  assert.is(meant('--skip-page'), 'did you mean --skip-pages?');
  assert.is(meant('--image-dir=x'), 'did you mean --images-dir?');
  assert.is(meant('--tcp-establish'), 'did you mean --tcp-established?');
  assert.is(meant('--frobnicate'), 'see `ckpt --help`');
  assert.is(refusal('-q').message, 'unknown option -q');
  assert.is(refusal('--constructor').code, 'E_USAGE');
  assert.is(refusal('--no-constructor').code, 'E_USAGE');
});

test("CRIU's options that are not honoured say so, by long and short name", () => {
  for (const argv of [['--stream'], ['-L', '/lib'], ['--libdir=/lib'], ['-d'], ['--tls']]) {
    const error = refusal(...argv);
    assert.is(error.code, 'E_UNSUPPORTED_OPTION');
    assert.is(error.exitCode, 2);
  }
  assert.is(refusal('--stream').message, '--stream: ckpt does not honour it yet');
});

test.run();
