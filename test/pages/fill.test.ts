// Filling: what comes of it, and that a failure, an abort or a lack of room leaves the set as it was.
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import { fill } from '../../src/pages/fill/fill.js';
import type { FillOptions } from '../../src/pages/fill/options.js';
import { replace } from '../../src/pages/fill/replace.js';
import { ImagesSource } from '../../src/pages/images.js';
import { readManifest } from '../../src/pages/read-manifest.js';
import type { PageRun, PageSource } from '../../src/pages/source.js';
import { withTemp } from '../support/temp.js';
import { orSkip, Skip } from '../support/skip.js';
import { anonymous, MadeSet, PAGE } from './made-set.js';

const [PARENT, LAZY, PRESENT] = [1, 2, 4];
/** Pages of process 9 that can be late, from page 100 on; there are more than are asked for at once. */
const MANY = 700;

/** Every byte of a page is the low byte of the page's number. */
class Counting implements PageSource {
  readonly name = 'a program';
  asked = 0;

  constructor(private readonly before: (run: PageRun, asked: number) => void = () => {}) {}

  async read(run: PageRun): Promise<Uint8Array> {
    this.before(run, ++this.asked);
    return Buffer.concat(
      Array.from({ length: run.count }, (_, i) => Buffer.alloc(PAGE, run.page + i)),
    );
  }
}

/** A set that lacks pages: some can be late, some cannot, some of another process it has. */
function lacking(dir: string): string {
  const locked = anonymous(40, 5, { flags: 0x2022 });
  new MadeSet(dir)
    .inventory()
    .mappings(9, [locked, anonymous(100, MANY)])
    .mappings(12, [anonymous(8, 8)])
    .pagemap('pagemap-9.img', [
      [41, 3, LAZY],
      [100, MANY, LAZY],
    ])
    .pagemap(
      'pagemap-12.img',
      [
        [8, 2, PRESENT | LAZY],
        [10, 1, LAZY],
      ],
      { pagesId: 1 },
    )
    .pages(1, [0xa8, 0xa9])
    .pagemap('pagemap-shmem-5.img', [[2, 2, LAZY]]);
  return dir;
}

/** Everything in a folder. */
function contentOf(dir: string): Record<string, string> {
  const names = readdirSync(dir).sort();
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(dir, name), 'base64')]));
}

async function failure(options: FillOptions): Promise<CkptError> {
  try {
    await fill(options);
  } catch (error) {
    if (error instanceof CkptError) return error;
    throw error;
  }
  throw new Error('it was filled');
}

/** The first byte of each page that a set lists; the set has to be full. */
async function firstBytes(dir: string): Promise<number[]> {
  const set = await readManifest(dir);
  const source = new ImagesSource(dir);
  await source.open(set);
  const bytes: number[] = [];
  for (const { owner, ranges } of set.owners) {
    for (const { page, count, flags, eager } of ranges) {
      assert.is(flags, eager ? PRESENT : PRESENT | LAZY);
      const data = await source.read({ owner, page, count });
      for (let i = 0; i < count; i++) bytes.push(data[i * PAGE]!);
    }
  }
  await source.close();
  return bytes;
}

const range = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => (from + i) & 255);
/** What firstBytes finds in the filled set. */
const filled = [...range(41, 3), ...range(100, MANY), 0xa8, 0xa9, 10, 2, 3];

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

test('a source that fails for a while is asked again; one that fails for good leaves the set alone', () =>
  withTemp(async (dir) => {
    lacking(dir);
    const before = contentOf(dir);
    const store = join(dir, 'store');
    for (const more of [{}, { store }]) {
      const none = new Counting((run) => {
        if (run.page >= 356) throw new CkptError('E_PAGE_SOURCE', 'a program: it has no more');
      });
      const { code, message } = await failure({ imagesDir: dir, from: none, ...more });
      assert.is(code, 'E_PAGE_SOURCE');
      assert.is(message, 'a program: it has no more (pages 0x164000-0x264000 of process 9)');
      assert.equal(contentOf(dir), before);
    }
    const broken = new Counting((run) => {
      if (run.page >= 612) throw new Error('connection reset');
    });
    const { code, message } = await failure({ imagesDir: dir, from: broken });
    assert.is(code, 'E_PAGE_SOURCE');
    assert.match(message, /^a program: .*connection reset.*pages 0x264000-0x320000 of process 9/);
    assert.equal(contentOf(dir), before);
    const short: PageSource = { name: 'short', read: async () => Buffer.alloc(5) };
    assert.match(
      (await failure({ imagesDir: dir, from: short })).message,
      /5 bytes came for 3 pages/,
    );
    assert.equal(contentOf(dir), before);
    let failures = 0;
    const flaky = new Counting((_, asked) => {
      if (asked % 3 === 1 && ++failures) throw new Error('connection reset');
    });
    await fill({ imagesDir: dir, from: flaky });
    assert.ok(failures >= 2);
    assert.equal(await firstBytes(dir), filled);
  }));

test('an abort in the middle leaves the set alone', () =>
  withTemp(async (dir) => {
    lacking(dir);
    const before = contentOf(dir);
    const controller = new AbortController();
    const source = new Counting((run) => {
      if (run.page >= 300) controller.abort();
    });
    const { code } = await failure({ imagesDir: dir, from: source, signal: controller.signal });
    assert.is(code, 'E_ABORTED');
    assert.equal(contentOf(dir), before);
  }));

test('where a pagemap cannot be replaced, those before it come back', () =>
  withTemp(async (dir) => {
    const [set, staging] = [lacking(join(dir, 'set')), join(dir, 'staging')];
    const before = contentOf(set);
    new MadeSet(staging).pages(9, [1]).pagemap('pagemap-9.img', []);
    const names = ['pages-9.img', 'pagemap-9.img', 'pagemap-12.img']; // the last is not there
    assert.throws(
      () => replace(staging, set, names),
      ({ code, message }: CkptError) => code === 'E_WRITE' && /pagemap-12.img/.test(message),
    );
    assert.equal(contentOf(set), before);
  }));

test('wrong options, folders and stores are named, and nothing is touched', () =>
  withTemp(async (dir) => {
    const set = lacking(join(dir, 'set'));
    const before = contentOf(set);
    const store = join(dir, 'store');
    writeFileSync(store, 'precious');
    const good = { imagesDir: set, from: new Counting() };
    const cases: [Partial<FillOptions>, string, RegExp][] = [
      [{ imagesDir: '' }, 'E_USAGE', /--images-dir DIR is missing/],
      [{ from: '' }, 'E_USAGE', /--from SOURCE is missing/],
      [{ only: 'lazy' as never }, 'E_USAGE', /--only: 'lazy' is not eager/],
      [{ store: 'x', out: dir }, 'E_USAGE', /exclude each other/],
      [{ store: 'x', only: 'eager' }, 'E_USAGE', /exclude each other/],
      [{ from: 'none:x' }, 'E_USAGE', /names no source/],
      [{ imagesDir: dir }, 'E_IMAGES_DIR', /is no checkpoint/],
      [{ out: join(dir, 'none') }, 'E_IMAGES_DIR', /^--out: .*none/],
      [{ store }, 'E_WRITE', /store is there already/],
      [{ store: '/dev/null' }, 'E_WRITE', /\/dev\/null is there already/],
      [{ store: join(dir, 'no/store') }, 'E_WRITE', /cannot make .*no\/store/],
    ];
    for (const [change, code, line] of cases) {
      const error = await failure({ ...good, ...change });
      assert.is(error.code, code);
      assert.match(error.message, line);
    }
    assert.equal(contentOf(set), before);
    assert.is(readFileSync(store, 'utf8'), 'precious');
  }));

test('a disk that is full leaves the set alone', () =>
  orSkip('a full disk', () =>
    withTemp(async (dir) => {
      const set = join(dir, 'set');
      mkdirSync(set);
      mount(set);
      try {
        lacking(set);
        const before = contentOf(set);
        const { code } = await failure({ imagesDir: set, from: new Counting() });
        assert.is(code, 'E_NO_SPACE');
        assert.equal(contentOf(set), before);
      } finally {
        execFileSync('umount', [set]);
      }
    }),
  ));

function mount(dir: string): void {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir]);
  } catch (error) {
    throw new Skip((error as Error).message);
  }
}

test.run();
