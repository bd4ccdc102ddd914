// The comparison itself: two of CRIU's dumps of one stopped process are equal, and what is changed
// in one of them is found.
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compareSets } from './compare.js';
import { mustDump } from './dump.js';
import { readSet } from './pages.js';
import { orSkip } from './skip.js';
import { holdStill } from './still.js';
import { Target } from './target.js';
import { withTemp } from './temp.js';

/** Two dumps of a fixture that is stopped all the while. */
async function withTwoDumps(use: (a: string, b: string) => Promise<void>): Promise<void> {
  await withTemp(async (dir) => {
    const target = await Target.start('sharedmem', join(dir, 'state'));
    try {
      await holdStill(target.pid);
      const [a, b] = [join(dir, 'a'), join(dir, 'b')];
      await mustDump('criu', target.pid, a, { leaveRunning: true });
      await mustDump('criu', target.pid, b, { leaveRunning: true });
      await use(a, b);
    } finally {
      await target.end();
    }
  });
}

test('two dumps of one stopped process are equal; a changed byte and a lost map are found', () =>
  orSkip('compare', () =>
    withTwoDumps(async (a, b) => {
      const [first, second] = [await readSet(a), await readSet(b)];
      const same = await compareSets(first, second);
      assert.equal([same.lists, same.pages], [[], []]);
      assert.ok(same.compared > 200, `${same.compared} pages`);

      const shmem = second.pagemaps.find(({ name }) => name.includes('shmem'))!;
      const pages = await open(join(b, `pages-${shmem.pagesId}.img`), 'r+');
      await pages.write(Buffer.from([0x5a, 0xa5]), 0, 2, 4096 + 100);
      await pages.close();
      const changed = await compareSets(first, second);
      assert.equal(changed.lists, []);
      const vaddr = shmem.runs[1]!.vaddr; // the first run is one page long
      assert.equal(changed.pages, [{ pagemap: shmem.name, vaddr, offset: 100 }]);

      shmem.runs.pop();
      assert.is((await compareSets(first, second)).lists.length, 1);
    }),
  ));

test.run();
