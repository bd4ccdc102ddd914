// The bar, on a terminal and without one.
import { execa } from 'execa';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bytes, plural, time } from '../../src/cli/units.js';

const module = new URL('../../src/cli/progress.js', import.meta.url).href;
const program = `
  const { ProgressBar } = await import('${module}');
  const bar = new ProgressBar(0);
  const step = (done) => bar.update({ phase: 'copy', done, total: 1024 });
  step(0);
  await new Promise((resolve) => setTimeout(resolve, 300));
  for (const done of [256, 512, 1024]) {
    step(done);
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  for (const [phase, total] of [['write', 1024], ['serve', 0], ['serve', 2048]]) {
    bar.update({ phase, done: total / 4, total });
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  bar.say('a line');
  bar.stop();
`;

/** What the program shows on a terminal of its own. */
async function onTerminal(env: Record<string, string> = {}): Promise<string> {
  const command = `${process.execPath} --input-type=module -e "$PROGRAM"`;
  const { stdout } = await execa('script', ['-qec', command, '/dev/null'], {
    env: { PROGRAM: program, TERM: 'xterm', ...env },
    stdin: 'ignore',
  });
  return stdout;
}

test('on a terminal the bar tells how much has been copied, and goes when it is done', async () => {
  const shown = await onTerminal();
  assert.match(shown, /copying pages \[=+ *\] \d+%  [\d.]+ [KM]iB of 4\.0 MiB/);
  assert.match(shown, /50%  2\.0 MiB of 4\.0 MiB/);
  assert.match(shown, /writing the store \[=+ *\] 25%  1\.0 MiB of 4\.0 MiB/);
  assert.match(shown, /bringing pages \[=+ *\] 25%  2\.0 MiB of 8\.0 MiB/);
  assert.match(shown, /8\.0 MiB[^\n]*\x1b\[[012]?K[^\n]*a line/, 'the bar makes room for a line');
  assert.match(shown, /\x1b\[[012]?K/, 'the line is cleared');
});

test('a dumb terminal, and no terminal, get none', async () => {
  assert.is((await onTerminal({ TERM: 'dumb' })).trim(), 'a line');
  const words = ['--input-type=module', '-e', program];
  const { all } = await execa(process.execPath, words, { all: true });
  assert.is(all, 'a line');
});

test('numbers for people', () => {
  assert.equal([0, 1023, 1024, 70_000_000].map(bytes), ['0 B', '1023 B', '1.0 KiB', '66.8 MiB']);
  assert.equal([999, 1234, 2_500_000].map(time), ['1.0 ms', '1.2 ms', '2.50 s']);
  assert.equal([plural(1, 'file'), plural(2, 'process', 'processes')], ['1 file', '2 processes']);
});

test.run();
