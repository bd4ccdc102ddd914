// Go: a thousand goroutines on small stacks, one on a large one, timers, a server.
import { join } from 'node:path';
import { execa } from 'execa';
import { test } from 'uvu';
import { mustRefuse } from '../../support/refusal.js';
import { checkout } from '../../support/paths.js';
import { needs, orSkip } from '../../support/skip.js';
import type { Program } from '../../support/target.js';
import { answering, source, testProgram } from './programs.js';

/** @param multipath whether its listener speaks Multipath TCP, as Go's do unless told not to */
async function build(multipath: 0 | 1): Promise<Program> {
  const go = needs('go', '/usr/local/go/bin');
  const program = join(checkout, 'dist/fixtures/goroutines');
  await execa(go, ['build', '-o', program, source('goroutines.go')]);
  return answering('go', 'env', `GODEBUG=multipathtcp=${multipath}`, program);
}

testProgram('go', () => build(0));

const names = /pid \d+: fd \d+ -> socket:\[\d+\]: Multipath TCP.*GODEBUG=multipathtcp=0/;
test('go with a listener of Multipath TCP is refused', () =>
  orSkip('go', async () => {
    await mustRefuse({ fixture: 'go', program: await build(1), names }, 'ckpt');
  }));

test.run();
