// Sets that lean on a parent: made by hand of two equal dumps, found whole by stock criu and by truth.ts,
// and found wanting where the parent is changed or gone.
import { open, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PagemapWriter } from '../../src/images/pagemap.js';
import { ImageWriter } from '../../src/images/write.js';
import { withTarget } from '../dump/scene.js';
import { goOn, proveCopy } from '../live/copy.js';
import { dumper, mustDump } from './dump.js';
import { PAGE, PE_PARENT, readPagemap, type Run } from './pages.js';
import { withoutRseq } from './target.js';
import { compareWithMemory } from './truth.js';

const BLOCK = 16;

/** A run in blocks of pages, of which every second is the parent's. */
function halves({ vaddr, pages, flags }: Run): Run[] {
  return Array.from({ length: Math.ceil(pages / BLOCK) }, (_, n) => ({
    vaddr: vaddr + n * BLOCK * PAGE,
    pages: Math.min(BLOCK, pages - n * BLOCK),
    flags: n % 2 ? flags : PE_PARENT,
  }));
}

/** Leaves every second block of a process's pages to the set in the folder beside it, its parent. */
async function leaveHalf(images: string, name: string): Promise<void> {
  const { runs, pagesId } = await readPagemap(images, name);
  const pages = await readFile(join(images, `pages-${pagesId}.img`));
  const kept: Buffer[] = [];
  await rename(join(images, name), join(images, `${name}.whole`));
  const writer = new PagemapWriter(new ImageWriter('PAGEMAP', join(images, name)), pagesId);
  let offset = 0;
  for (const run of runs.flatMap(halves)) {
    writer.add(run.vaddr, run.pages, run.flags);
    const end = offset + run.pages * PAGE;
    if (run.flags !== PE_PARENT) kept.push(pages.subarray(offset, end));
    offset = end;
  }
  writer.image.close();
  await writeFile(join(images, `pages-${pagesId}.img`), Buffer.concat(kept));
}

/** Changes the first byte of a process's first page. */
async function spoil(images: string, pid: number): Promise<void> {
  const { pagesId } = await readPagemap(images, `pagemap-${pid}.img`);
  const file = await open(join(images, `pages-${pagesId}.img`), 'r+');
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 0);
  await file.write(Buffer.from([buffer[0]! ^ 0xff]), 0, 1, 0);
  await file.close();
}

test('a set that leaves half of its pages to a parent is whole with it, and not without', () =>
  withTarget(
    'layers',
    async ({ dir, target }) => {
      const [parent, images] = [join(dir, '1'), join(dir, '2')];
      for (const set of [parent, images]) await mustDump(dumper, target.pid, set, { args: ['-s'] });
      for (const name of await readdir(images)) {
        if (/^pagemap-\d+\.img$/.test(name)) await leaveHalf(images, name);
      }
      await assertThrows(() => compareWithMemory(images), /not in layer 1/);
      await symlink('../1', join(images, 'parent'));
      const { faults, depth } = await compareWithMemory(images);
      assert.equal([faults, depth], [[], 2]);
      await proveCopy(target, images, join(dir, 'copy'));

      await spoil(parent, target.pid); // the first block is the parent's
      const found = (await compareWithMemory(images)).faults;
      assert.match(found.join('\n'), /^page 0x[0-9a-f]+ differs at 0$/);
      await rm(join(images, 'parent'));
      goOn(target.pid);
      await target.ask();
    },
    withoutRseq('churn', ['5']),
  ));

async function assertThrows(act: () => Promise<unknown>, pattern: RegExp): Promise<void> {
  const error = await act().then(
    () => undefined,
    (error: Error) => error,
  );
  assert.match(error?.message ?? 'nothing was thrown', pattern);
}

test.run();
