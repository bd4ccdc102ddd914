// Every fixture through dump and restore, proven by its own state.
//   usage: [CKPT_DUMPER=criu] node dist/test/e2e/fixtures.test.js [NAME]...
import { test } from 'uvu';
import { Coverage } from '../support/coverage.js';
import { run, runAsKnown, type Cycle } from '../support/cycle.js';
import { dumper } from '../support/dump.js';
import { orSkip } from '../support/skip.js';
import { fixtures, olderToo } from './catalogue.js';

const names = process.argv.slice(2);
const wanted = fixtures.filter(({ fixture }) => names.length === 0 || names.includes(fixture));

function testCycle(name: string, cycle: () => Promise<void>): void {
  test(name, async () => {
    const start = Date.now();
    await orSkip(name, cycle);
    if (names.length > 0) console.log(`${name}: ${Date.now() - start} ms`);
  });
}

/** The table is about all that ckpt dumps. */
const coverage =
  dumper === 'ckpt' && names.length === 0 ? new Coverage('fixtures', 'Dumped') : undefined;

async function runAndTell(cycle: Cycle): Promise<void> {
  if (!coverage) return runAsKnown(cycle, dumper);
  await coverage.of(cycle, cycle.criu ?? 'dumped', async () => {
    await runAsKnown(cycle, dumper);
    return 'dumped';
  });
}

for (const cycle of wanted) {
  const name = [cycle.fixture, ...(cycle.args ?? [])].join(' ');
  testCycle(name, () => runAndTell(cycle));
  if (cycle.args === undefined && olderToo.includes(cycle.fixture)) {
    testCycle(`${name}, criu 4.1.1`, () => run(cycle, dumper, '4.1.1'));
  }
}

if (coverage) test('docs/coverage.md', () => coverage.check());

test.run();
