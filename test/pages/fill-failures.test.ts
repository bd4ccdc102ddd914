// Filling that fails, is aborted or finds no room: the set stays as it was, and nothing is left.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import { fill } from '../../src/pages/fill/fill.js';
import type { FillOptions } from '../../src/pages/fill/options.js';
import { replace } from '../../src/pages/fill/replace.js';
import type { PageSource } from '../../src/pages/source.js';
import { orSkip, Skip } from '../support/skip.js';
import { withTemp } from '../support/temp.js';
import { contentOf, Counting, failure, filled, firstBytes, lacking } from './lacking.js';
import { MadeSet } from './made-set.js';

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
