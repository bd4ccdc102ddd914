// The judge of images: it agrees where they are as memory, and finds what is made wrong on purpose.
import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { withTarget } from '../dump/scene.js';
import { dumper, mustDump } from './dump.js';
import { withoutRseq } from './target.js';
import { compareWithMemory } from './truth.js';
import { until } from './until.js';

/** Changes the first byte of every page file of a set. */
async function spoil(images: string): Promise<number> {
  const names = (await readdir(images)).filter((name) => name.startsWith('pages-'));
  for (const name of names) {
    const file = await open(join(images, name), 'r+');
    const first = Buffer.alloc(1);
    await file.read(first, 0, 1, 0);
    await file.write(Buffer.from([first[0]! ^ 0xff]), 0, 1, 0);
    await file.close();
  }
  return names.length;
}

test('a set is as the memory of its stopped tree; a changed byte is found', () =>
  withTarget(
    'truth: a changed byte',
    async ({ images, target }) => {
      await mustDump(dumper, target.pid, images, { args: ['-s'] });
      const { faults, compared, depth } = await compareWithMemory(images);
      assert.equal(faults, []);
      assert.ok(compared > 250, `${compared} pages`); // private ones of two processes, and a segment
      assert.is(depth, 1);

      const files = await spoil(images);
      const found = (await compareWithMemory(images)).faults;
      assert.ok(found.length >= files, found.join('\n')); // the segment shows in both processes
      for (const fault of found) assert.match(fault, /^page 0x[0-9a-f]+ differs at 0$/);
    },
    withoutRseq('sharedmem', []),
  ));

test('pages that a set does not list are found, private and shared', () =>
  withTarget(
    'truth: unlisted pages',
    async ({ images, target }) => {
      await mustDump(dumper, target.pid, images, { args: ['-s'] });
      const names = await readdir(images);
      await rm(
        join(
          images,
          names.find((name) => name.startsWith('pagemap-shmem-'))!,
        ),
      );
      const { faults } = await compareWithMemory(images);
      assert.ok(faults.length >= 20);
      assert.ok(
        faults.every((fault) => / of .*\/dev\/zero \(deleted\) is not listed$/.test(fault)),
      );
    },
    withoutRseq('sharedmem', []),
  ));

test('memory that has gone on since the dump is found', () =>
  withTarget(
    'truth: memory that went on',
    async ({ images, target }) => {
      await mustDump(dumper, target.pid, images, { args: ['-s'] });
      assert.equal((await compareWithMemory(images)).faults, []);
      process.kill(target.pid, 'SIGCONT');
      await until('pages that differ', async () => {
        const { faults } = await compareWithMemory(images);
        return faults.some((fault) => fault.includes('differs'));
      });
    },
    withoutRseq('stamper', ['8', '10']),
  ));

test.run();
