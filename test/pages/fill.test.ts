// Filling: in place, into a copy, into a store, and what of the set stays as it was.
import { existsSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fill } from '../../src/pages/fill/fill.js';
import { readManifest } from '../../src/pages/read-manifest.js';
import { withTemp } from '../support/temp.js';
import { contentOf, Counting, filled, firstBytes, lacking, MANY } from './lacking.js';
import { anonymous, MadeSet, PAGE } from './made-set.js';

const [PARENT, LAZY, PRESENT] = [1, 2, 4];

test('a set is filled in place; what it had it keeps, and progress counts up to all of it', () =>
  withTemp(async (dir) => {
    lacking(dir);
    writeFileSync(join(dir, 'dump.log'), 'a log');
    const run = fill({ imagesDir: dir, from: new Counting() });
    let last = { done: 0, total: 0 };
    for await (const progress of run) {
      assert.ok(progress.done > last.done);
      last = progress;
    }
    const { timeUs, ...result } = await run;
    assert.ok(timeUs > 0);
    const pages = { listed: MANY + 8, kept: 2, filled: MANY + 6, late: 0 };
    assert.equal(result, { imagesDir: dir, from: 'a program', pages, bytes: (MANY + 8) * PAGE });
    assert.equal([last.done, last.total], [MANY + 8, MANY + 8]);
    assert.equal(await firstBytes(dir), filled);
    assert.equal(readdirSync(dir).sort(), [
      ...['dump.log', 'inventory.img', 'mm-12.img', 'mm-9.img', 'pagemap-12.img', 'pagemap-9.img'],
      ...['pagemap-shmem-5.img', 'pages-2.img', 'pages-3.img', 'pages-4.img'],
    ]);
    for (const name of readdirSync(dir).filter((file) => /^page/.test(file))) {
      assert.is(statSync(join(dir, name)).mode & 0o777, 0o600, name);
    }
  }));

test('a copy is filled: the set stays as it was, an older checkpoint in its place goes', () =>
  withTemp(async (dir) => {
    const [set, out] = [lacking(join(dir, 'set')), join(dir, 'out')];
    writeFileSync(join(set, 'descriptors.json'), '[]');
    new MadeSet(out)
      .inventory()
      .mappings(77, [anonymous(1, 1)])
      .pages(1, [9]);
    const before = contentOf(set);
    const result = await fill({ imagesDir: set, from: new Counting(), out });
    assert.is(result.imagesDir, out);
    assert.equal(contentOf(set), before);
    assert.equal(await firstBytes(out), filled);
    assert.ok(!existsSync(join(out, 'mm-77.img')) && existsSync(join(out, 'descriptors.json')));
    for (const name of readdirSync(out)) assert.is(statSync(join(out, name)).mode & 0o777, 0o600);
  }));

test('only eager pages, then the rest; a store made before serves, for its layout stays', () =>
  withTemp(async (dir) => {
    const [set, store] = [lacking(join(dir, 'set')), join(dir, 'store')];
    const first = await fill({ imagesDir: set, from: new Counting(), store });
    assert.equal([first.store, first.pages.kept], [store, 2]);
    assert.is(statSync(store).size, (MANY + 8) * PAGE);
    assert.is(statSync(store).mode & 0o777, 0o600);
    const { pages } = await fill({ imagesDir: set, from: `file:${store}`, only: 'eager' });
    assert.equal(pages, { listed: MANY + 8, kept: 2, filled: 5, late: MANY + 1 });
    const flags = (await readManifest(set)).owners.map(({ ranges }) => ranges.map((r) => r.flags));
    assert.equal(flags, [[PRESENT, LAZY], [PRESENT | LAZY, LAZY], [PRESENT]]);
    await fill({ imagesDir: set, from: `file:${store}` });
    assert.equal(await firstBytes(set), filled);
  }));

test('what a set left to its parent is in the filled set too', () =>
  withTemp(async (dir) => {
    const set = lacking(join(dir, 'set'));
    rmSync(join(set, 'pagemap-12.img'));
    new MadeSet(join(dir, 'old'))
      .inventory()
      .pagemap(
        'pagemap-12.img',
        [
          [8, 1],
          [9, 3],
        ],
        { pagesId: 3 },
      )
      .pages(3, [0xa8, 0xa9, 10, 11])
      .pagemap('pagemap-9.img', [])
      .pagemap('pagemap-shmem-5.img', []);
    new MadeSet(set).pagemap('pagemap-12.img', [[8, 3, PARENT]]);
    symlinkSync('../old', join(set, 'parent'));
    const { pages } = await fill({ imagesDir: set, from: new Counting() });
    assert.is(pages.kept, 3);
    assert.equal(await firstBytes(set), filled);
  }));

test.run();
