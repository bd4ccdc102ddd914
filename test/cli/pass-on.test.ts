// Which words of `ckpt restore` are ours, and which are criu's.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RESTORE_OPTIONS } from '../../src/cli/options.js';
import { splitOwn } from '../../src/cli/pass-on.js';

const split = (...words: string[]) => splitOwn(words, RESTORE_OPTIONS);

test('ours are found in any place and spelling', () => {
  const { values, rest } = split('-d', '-Ddir', '-v4', '--from=file:/x', '-j', '-W', 'w', '--json');
  assert.equal(values, { 'images-dir': 'dir', from: 'file:/x', 'work-dir': 'w', json: true });
  assert.equal(rest, ['-d', '-v4', '-j']);
});

test('the values of criu’s are not taken for ours', () => {
  const words = [
    '--root',
    '-D',
    '-o',
    '--json',
    '--inherit-fd',
    'fd[1]:x',
    '--action-script',
    '-W',
  ];
  assert.equal(split(...words), { values: {}, rest: words });
});

test('what follows -- is criu’s', () => {
  assert.equal(split('-D', 'd', '--exec-cmd', '--', 'sh', '-D', 'x'), {
    values: { 'images-dir': 'd' },
    rest: ['--exec-cmd', '--', 'sh', '-D', 'x'],
  });
});

test('an option of ours needs its value', () => {
  assert.throws(() => split('-D'), /needs a value: DIR/);
  assert.throws(() => split('--json=1'), /takes no value/);
});

test.run();
