// Pagemaps: flags by what became of the pages, one image an owner, runs that stream.
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Pagemaps } from '../../src/develop/pagemap.js';
import type { DevelopOptions } from '../../src/develop/options.js';
import type { PagemapFrame } from '../../src/helper/protocol.js';
import { CHANGED_SINCE, PARENT, type ParentLink } from '../../src/images/links.js';
import { ImageReader } from '../../src/images/read.js';
import { ImageSet } from '../../src/images/set.js';
import { type Parent, ParentSet } from '../../src/pages/parent-set.js';
import { MadeSet } from '../pages/made-set.js';
import { withTemp } from '../support/temp.js';

const COPIED = 1;
const LAZY = 2;
const UNCHANGED = 4;
const frame = (changes: Partial<PagemapFrame>): PagemapFrame => ({
  ...{ t: 'pagemap', pid: 9, runs: [], last: true },
  ...changes,
});

interface Image {
  pages_id: number;
  runs: [vaddr: number, pages: number, flags: number][];
}

async function read(path: string): Promise<Image> {
  const image: Image = { pages_id: -1, runs: [] };
  const reader = await ImageReader.open(path);
  for await (const { message, value } of reader) {
    if (message === 'pagemap_head') image.pages_id = value.pages_id;
    if (message !== 'pagemap_entry') continue;
    assert.is(Number(value.nr_pages), value.compat_nr_pages);
    image.runs.push([Number(value.vaddr), value.compat_nr_pages, value.flags!]);
  }
  await reader.close();
  return image;
}

/** The images of `frames`, under `options`. */
async function write(
  dir: string,
  frames: PagemapFrame[],
  options: DevelopOptions = {},
): Promise<Pagemaps> {
  const pagemaps = new Pagemaps(new ImageSet(dir, { sync: false }), options);
  for (const each of frames) pagemaps.add(each);
  return pagemaps;
}

function codeOf(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return undefined;
}

test('a full dump marks what could be taken late, and has all of it', () =>
  withTemp(async (dir) => {
    const pages_file = 'pages-3.img';
    const frames = [
      frame({ pages_file, runs: [1, 2, COPIED, 0x7fffffffe, 1, COPIED | LAZY], last: false }),
      frame({ pages_file, runs: [0x7ffffffff, 1, COPIED] }),
    ];
    const pagemaps = await write(dir, frames);
    assert.equal([...pagemaps.files], [pages_file]);
    assert.equal(await read(join(dir, 'pagemap-9.img')), {
      pages_id: 3,
      runs: [
        [0x1000, 2, 4],
        [0x7fffffffe000, 1, 6],
        [0x7ffffffff000, 1, 4],
      ],
    });
  }));

test('without lazy pages, the others are there', () =>
  withTemp(async (dir) => {
    const runs = [1, 2, LAZY, 5, 1, COPIED];
    await write(dir, [frame({ pages_file: 'pages-1.img', runs })], { skipPages: 'lazy' });
    const { runs: written } = await read(join(dir, 'pagemap-9.img'));
    assert.equal(
      written.map(([, , flags]) => flags),
      [2, 4],
    );
  }));

test('without any pages, every run is lazy, shared memory too, and there is no pages image', () =>
  withTemp(async (dir) => {
    const frames = [
      frame({ runs: [1, 2, LAZY, 5, 1, 0] }),
      frame({ pid: undefined, shmem: '0x411', runs: [0, 1, 0] }),
    ];
    const pagemaps = await write(dir, frames, { skipPages: 'all' });
    pagemaps.complete([{ pid: 9 }, { shmem: 0x411n }, { pid: 10 }]);
    const images = ['pagemap-10.img', 'pagemap-9.img', 'pagemap-shmem-1041.img'];
    assert.equal(readdirSync(dir).sort(), images);
    for (const name of images) {
      const { pages_id, runs } = await read(join(dir, name));
      assert.is(pages_id, 0);
      assert.ok(runs.every(([, , flags]) => flags === 2));
    }
  }));

test('who has no pages gets an image nevertheless, and a pages image that a restore can open', () =>
  withTemp(async (dir) => {
    const pagemaps = await write(dir, [frame({ pages_file: 'pages-1.img', runs: [1, 1, COPIED] })]);
    pagemaps.complete([{ pid: 9 }, { pid: 10 }, { shmem: 5n }]);
    for (const name of ['pagemap-10.img', 'pagemap-shmem-5.img']) {
      const { pages_id, runs } = await read(join(dir, name));
      assert.equal(runs, []);
      assert.ok(existsSync(join(dir, `pages-${pages_id}.img`)));
    }
  }));

/** A parent that has pages 1 to 8 of process 9. */
async function madeParent(dir: string, link: ParentLink): Promise<Parent> {
  const made = new MadeSet(join(dir, 'old')).inventory();
  made.pagemap('pagemap-9.img', [[1, 8, 4]], { pagesId: 1 }).pages(1, [1, 2, 3, 4, 5, 6, 7, 8]);
  return { set: await ParentSet.read(made.dir, link), link, target: '../old' };
}

test('what has not changed is left to the parent, in both ways to say so', () =>
  withTemp(async (dir) => {
    const parent = await madeParent(dir, PARENT);
    const images = join(dir, 'new');
    mkdirSync(images);
    const runs = [1, 2, UNCHANGED, 3, 1, COPIED | LAZY, 4, 3, UNCHANGED | LAZY];
    await write(images, [frame({ pages_file: 'pages-1.img', runs })], { parent });
    const path = join(images, 'pagemap-9.img');
    const { runs: written } = await read(path);
    assert.equal(written, [
      [0x1000, 2, 1],
      [0x3000, 1, 6],
      [0x4000, 3, 1],
    ]);
    const reader = await ImageReader.open(path, 'PAGEMAP');
    const older: unknown[] = [];
    for await (const { message, value } of reader) {
      if (message === 'pagemap_entry') older.push(value.in_parent);
    }
    await reader.close();
    assert.equal(older, [true, undefined, true]);
  }));

test('a page that the parent does not have cannot be left to it', () =>
  withTemp(async (dir) => {
    const parent = await madeParent(dir, PARENT);
    const images = join(dir, 'new');
    mkdirSync(images);
    const pagemaps = new Pagemaps(new ImageSet(images, { sync: false }), { parent });
    const code = (runs: number[], pid = 9) =>
      codeOf(() => pagemaps.add(frame({ pid, pages_file: 'pages-1.img', runs, last: false })));
    assert.is(code([8, 2, UNCHANGED]), 'E_IMAGE_CORRUPT');
    assert.is(code([1, 1, UNCHANGED | COPIED]), 'E_PROTOCOL');
    const orphan = await write(join(dir), [frame({ pages_file: 'pages-1.img', last: false })]);
    assert.is(
      codeOf(() => orphan.add(frame({ runs: [1, 1, UNCHANGED] }))),
      'E_PROTOCOL',
    );
  }));

test('without pages, changed ones are told from those that are as they were', () =>
  withTemp(async (dir) => {
    const parent = await madeParent(dir, CHANGED_SINCE);
    const images = join(dir, 'new');
    mkdirSync(images);
    const runs = [1, 2, UNCHANGED | LAZY, 3, 1, LAZY, 4, 1, 0];
    await write(images, [frame({ runs })], { parent, skipPages: 'all' });
    const { runs: written } = await read(join(images, 'pagemap-9.img'));
    assert.equal(
      written.map(([, , flags]) => flags),
      [1, 2, 2],
    );
  }));

test('frames that do not fit together are an error', () =>
  withTemp(async (dir) => {
    const runs = [1, 1, COPIED];
    const pagemaps = await write(dir, [frame({ pages_file: 'pages-1.img', runs, last: false })]);
    assert.is(
      codeOf(() => pagemaps.add(frame({ pid: 10 }))),
      'E_PROTOCOL',
    );
    assert.is(
      codeOf(() => pagemaps.complete([])),
      'E_PROTOCOL',
    );
    pagemaps.add(frame({ runs }));
    assert.is(
      codeOf(() => pagemaps.add(frame({ runs }))),
      'E_PROTOCOL',
    );
    assert.is(
      codeOf(() => pagemaps.add(frame({ pid: 11, runs: [1, 1, LAZY] }))),
      'E_PROTOCOL',
    );
    assert.is(
      codeOf(() => pagemaps.add(frame({ pid: 12, pages_file: '../x' }))),
      'E_PROTOCOL',
    );
  }));

test('a million runs go through in little memory', () =>
  withTemp(async (dir) => {
    const pagemaps = new Pagemaps(new ImageSet(dir, { sync: false }), {});
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 16; i++) {
      const runs = Array.from({ length: 3 * 65536 }, (_, at) =>
        at % 3 === 0 ? 2 * (65536 * i + at / 3) : at % 3 === 1 ? 1 : COPIED | LAZY,
      );
      pagemaps.add(frame({ pages_file: 'pages-1.img', runs, last: i === 15 }));
    }
    const grown = (process.memoryUsage().rss - before) / 2 ** 20;
    assert.ok(grown < 100, `${grown} MiB`);
    const bytesOfEntry = 4 + 8; // length; address, two counts, flags, of one byte each at least
    assert.ok(statSync(join(dir, 'pagemap-9.img')).size > 2 ** 20 * bytesOfEntry);
  }));

test.run();
