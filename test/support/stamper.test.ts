// The stamper, by which a restored copy tells whether its memory is of one moment: it does after a plain
// dump, and finds a single page that comes from another moment.
import { cp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { withTarget, type Scene } from '../dump/scene.js';
import { dumper, mustDump } from './dump.js';
import { PAGE, PageReader, readSet, type ImageSet, type Run } from './pages.js';
import { restore } from './restore.js';
import { until } from './until.js';

const MIB = 16;

/** Restores a set beside the original, and has the copy look at its memory, twice. */
async function askCopy({ dir, target }: Scene, images: string): Promise<void> {
  const state = join(dir, 'copy');
  await cp(target.state, state, { recursive: true });
  const copy = await restore(images, target, { state });
  try {
    const first = await copy.ask();
    assert.ok((await copy.ask()) > first, 'the writer of the copy goes on');
  } finally {
    await copy.end();
    await rm(state, { recursive: true });
  }
}

const largest = ({ pagemaps }: ImageSet): Run =>
  pagemaps.flatMap(({ runs }) => runs).reduce((a, b) => (b.pages > a.pages ? b : a));

/** Puts one page of the set `from` into the set `to`, at the same address. */
async function transplant(from: ImageSet, to: ImageSet, vaddr: number): Promise<void> {
  const source = await PageReader.open(from.dir, from.pagemaps[0]!);
  const bytes = await source.read(vaddr, 1);
  await source.close();
  const { runs, pagesId } = to.pagemaps[0]!;
  const before = runs.filter((run) => run.vaddr + run.pages * PAGE <= vaddr);
  const run = runs[before.length]!;
  const skipped = before.reduce((sum, { pages }) => sum + pages * PAGE, 0);
  const file = await open(join(to.dir, `pages-${pagesId}.img`), 'r+');
  await file.write(bytes, 0, PAGE, skipped + vaddr - run.vaddr);
  await file.close();
}

test('a copy finds its memory of one moment, and a page of another moment in it', () =>
  withTarget(
    'stamper',
    async (scene) => {
      const { dir, target } = scene;
      const [early, late] = [join(dir, 'early'), join(dir, 'late')];
      await mustDump(dumper, target.pid, early, { leaveRunning: true });
      const beats = await target.ask();
      await until('another round', async () => (await target.ask()) > beats + (MIB << 8));
      await mustDump(dumper, target.pid, late, { leaveRunning: true });
      await askCopy(scene, late);

      const [from, to] = [await readSet(early), await readSet(late)];
      const { vaddr, pages } = largest(to);
      await transplant(from, to, vaddr + (pages >> 1) * PAGE);
      await askCopy(scene, late).then(
        () => assert.unreachable('the mixture was not found'),
        (error: Error) => assert.match(error.message, /page \d+, word \d+ of round \d+: expected/),
      );
    },
    'stamper',
    [`${MIB}`, '100'],
  ));

test.run();
