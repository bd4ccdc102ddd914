// What a set lists, as the manifest has it: by both dumpers and both generations, and of sets that
// are torn, hostile or none.
import { cpSync, rmSync, symlinkSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import { ImageWriter } from '../../src/images/write.js';
import { findGenerations } from '../../src/pages/generations.js';
import { readManifest } from '../../src/pages/read-manifest.js';
import { pagemapName } from '../../src/pages/owner.js';
import { mustDump, type Dumper } from '../support/dump.js';
import { mergeNeighbours, readSet } from '../support/pages.js';
import type { CriuVersion } from '../support/paths.js';
import { orSkip } from '../support/skip.js';
import { Target } from '../support/target.js';
import { withTemp } from '../support/temp.js';
import { anonymous, MadeSet, PAGE, type Run } from './made-set.js';

const PARENT = 1;
const LAZY = 2;
const PRESENT = 4;

async function failure(dir: string): Promise<string> {
  try {
    await readManifest(dir);
  } catch (error) {
    if (error instanceof CkptError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'none';
}

/** A full dump of a fixture, as crit has it and as the manifest has it. */
async function agree(fixture: string, dumper: Dumper, version: CriuVersion): Promise<void> {
  await withTemp(async (dir) => {
    const target = await Target.start(fixture, join(dir, 'state'));
    try {
      await mustDump(dumper, target.pid, join(dir, 'set'), { leaveRunning: true, version });
    } finally {
      await target.end();
    }
    const manifest = await readManifest(join(dir, 'set'));
    const { pagemaps } = await readSet(join(dir, 'set'));
    const listed = manifest.owners.map(({ owner, ranges }) => ({
      name: pagemapName(owner),
      runs: mergeNeighbours(
        ranges.map(({ page, count, flags }) => ({ vaddr: page * PAGE, pages: count, flags })),
      ),
    }));
    const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
    assert.equal(
      listed.sort(byName),
      pagemaps.map(({ name, runs }) => ({ name, runs })).sort(byName),
    );
    let at = 0;
    for (const { ranges } of manifest.owners) {
      for (const range of ranges) {
        assert.is(range.at, at);
        assert.is(range.eager, !(range.flags & LAZY)); // a full dump marks what can be late
        at += range.count;
      }
    }
    assert.is(manifest.pages, at);
    assert.ok(at > 100, `${at} pages`);
  });
}

for (const fixture of ['anonymous', 'sharedmem', 'family']) {
  for (const [dumper, version] of [['ckpt'], ['criu', '4.2.1'], ['criu', '4.1.1']] as const) {
    const name = `the manifest of ${fixture} by ${dumper} ${version ?? ''}`;
    test(name, () => orSkip(name, () => agree(fixture, dumper, version ?? '4.2.1')));
  }
}

test('pages are sorted by the mappings they are in, and lie one after the other', () =>
  withTemp(async (dir) => {
    const locked = anonymous(30, 10, { flags: 0x2022 });
    const file = anonymous(40, 10, { flags: 0x02, status: 1 | (1 << 6), shmid: 3 });
    const vdso = anonymous(60, 2, { status: 1 | (1 << 3) });
    const guard = anonymous(11, 1, { flags: 0, status: 1 << 16 });
    new MadeSet(dir)
      .inventory()
      .mappings(9, [anonymous(10, 20), locked, file, vdso, guard])
      .mappings(70, [anonymous(1, 1)])
      .pagemap('pagemap-9.img', [
        [12, 2, LAZY],
        [14, 31, LAZY],
        [45, 1, PRESENT],
        [60, 2, LAZY],
      ])
      .pagemap('pagemap-70.img', [])
      .pagemap('pagemap-shmem-5.img', [[0, 3, PRESENT]])
      .pagemap('pagemap-shmem-18446744073709551615.img', [[7, 1, PARENT]])
      .pagemap('pagemap-007.img', [[1, 1]]); // no restore looks for such a name
    const { dir: root, ...manifest } = await readManifest(dir);
    assert.is(root, dir);
    const range = (page: number, count: number, flags: number, eager: boolean, at: number) => ({
      ...{ page, count, flags, eager, at },
    });
    assert.equal(manifest, {
      owners: [
        {
          owner: { pid: 9 },
          ranges: [
            range(12, 18, LAZY, false, 0),
            range(30, 15, LAZY, true, 18),
            range(45, 1, PRESENT, true, 33),
            range(60, 2, LAZY, true, 34),
          ],
          blank: [{ page: 10, count: 20 }],
        },
        { owner: { pid: 70 }, ranges: [], blank: [{ page: 1, count: 1 }] },
        { owner: { shmem: 5n }, ranges: [range(0, 3, PRESENT, true, 36)] },
        { owner: { shmem: 2n ** 64n - 1n }, ranges: [range(7, 1, PARENT, true, 39)] },
      ],
      pages: 40,
    });
  }));

test('of a list of what has changed, all pages are nowhere in the set, and told apart', () =>
  withTemp(async (dir) => {
    const set = new MadeSet(join(dir, '2')).inventory().mappings(9, [anonymous(10, 20)]);
    set.pagemap('pagemap-9.img', [
      [12, 2, PARENT],
      [14, 1, LAZY],
      [15, 1, PARENT],
      [16, 1, PARENT],
    ]);
    symlinkSync('../1', join(dir, '2/ckpt-parent'));
    const { changedSince, owners, pages } = await readManifest(set.dir);
    assert.is(changedSince, join(dir, '1'));
    assert.is(pages, 5);
    const common = { flags: LAZY, eager: false };
    assert.equal(owners[0]!.ranges, [
      { page: 12, count: 2, ...common, unchanged: true, at: 0 },
      { page: 14, count: 1, ...common, at: 2 },
      { page: 15, count: 2, ...common, unchanged: true, at: 3 },
    ]);
  }));

test('a pre-dump lists pages of no mappings: it is told by its inventory', () =>
  withTemp(async (dir) => {
    const image = new ImageWriter('INVENTORY', join(dir, 'inventory.img'));
    image.add({ img_version: 0, pre_dump_mode: 2 }); // as criu writes it
    image.close();
    new MadeSet(dir).pagemap('pagemap-9.img', [[1, 1, PRESENT]]);
    assert.match(await failure(dir), /^E_IMAGES_DIR .* is a pre-dump/);
    assert.equal(await findGenerations(dir), [dir]);
  }));

test('both generations of counts are read, and flags that are left out', () =>
  withTemp(async (dir) => {
    const runs: Run[] = [
      [10, 2],
      [12, 3, PARENT],
    ];
    new MadeSet(dir)
      .inventory(1)
      .mappings(9, [anonymous(10, 20)])
      .mappings(10, [anonymous(10, 20)])
      .pagemap('pagemap-9.img', runs)
      .pagemap('pagemap-10.img', runs, { older: true });
    const [newer, older] = (await readManifest(dir)).owners;
    assert.equal(
      newer!.ranges.map(({ count, flags }) => [count, flags]),
      [
        [2, PRESENT],
        [3, PARENT],
      ],
    );
    const counts = ({ ranges }: typeof newer & {}) => ranges.map(({ at, ...rest }) => rest);
    assert.equal(counts(older!), counts(newer!));
  }));

test('what is no checkpoint, torn or impossible is named', () =>
  withTemp(async (dir) => {
    const good = join(dir, 'good');
    new MadeSet(good).mappings(9, [anonymous(10, 20)]).pagemap('pagemap-9.img', [[10, 2, LAZY]]);
    assert.match(
      await failure(join(dir, 'none')),
      /^E_IMAGES_DIR .*none is no checkpoint: it is not there/,
    );
    assert.match(await failure(join(good, 'mm-9.img')), /^E_IMAGES_DIR .* it is no folder/);
    assert.match(await failure(good), /^E_IMAGES_DIR .*it has no inventory.img/);
    new MadeSet(good).inventory();
    assert.is(await failure(good), 'none');

    let n = 0;
    const broken = (change: (set: MadeSet) => void, ...away: string[]): Promise<string> => {
      const copy = join(dir, `broken-${n++}`);
      cpSync(good, copy, { recursive: true });
      for (const name of away) rmSync(join(copy, name));
      change(new MadeSet(copy));
      return failure(copy);
    };
    const listing = (...runs: Run[]) =>
      broken((set) => set.pagemap('pagemap-9.img', runs), 'pagemap-9.img');
    assert.match(
      await broken((set) => set.inventory(3), 'inventory.img'),
      /version 3 of the format/,
    );
    assert.match(await listing([12, 1], [11, 1]), /^E_IMAGE_CORRUPT .*begins before the last/);
    assert.match(await listing([12, 2], [13, 1]), /begins before the last one ends/);
    assert.match(await listing([10.5, 1]), /begins within a page/);
    assert.match(await listing([10, 0]), /it has no pages/);
    assert.match(await listing([10, 1, 0]), /its pages are nowhere/);
    assert.match(await listing([10, 2 ** 41]), /more than there can be/);
    assert.match(await listing([10, 21]), /page 0x1e000 of process 9 is in none of its mappings/);
    assert.match(await listing([9, 2]), /page 0x9000 of process 9 is in none of its mappings/);
    const torn = (name: string, size: number) =>
      broken((set) => truncateSync(join(set.dir, name), size));
    assert.match(await torn('pagemap-9.img', 20), /^E_IMAGE_TORN .*pagemap-9.img/);
    assert.match(await torn('pagemap-9.img', 8), /^E_IMAGE_TORN .*has no head/);
    assert.match(await torn('mm-9.img', 8), /^E_IMAGE_TORN .*mm-9.img: it is empty/);
    assert.match(await torn('inventory.img', 4), /^E_IMAGE_TORN .*inventory.img: it is empty/);
    assert.match(await broken(() => {}, 'mm-9.img'), /^E_READ cannot read .*mm-9.img/);
    const mapped = (...vmas: ReturnType<typeof anonymous>[]) =>
      broken((set) => set.mappings(9, vmas), 'mm-9.img');
    assert.match(
      await mapped(anonymous(10, 20), anonymous(29, 2)),
      /mapping 1d000 is none, or out/,
    );
    assert.match(await mapped(anonymous(10, 0)), /mapping a000 is none/);
    const linked = await broken(
      (set) => symlinkSync('/proc/self/mem', join(set.dir, 'pagemap-9.img')),
      'pagemap-9.img',
    );
    assert.match(linked, /pagemap-9.img: it is no regular file/);
    assert.match(
      await broken((set) =>
        Array.from({ length: 3 }, (_, i) =>
          set.pagemap(`pagemap-shmem-${i}.img`, [[0, 2 ** 40 - 1, PRESENT]]),
        ),
      ),
      /pages are more than there can be/,
    );
  }));

test.run();
