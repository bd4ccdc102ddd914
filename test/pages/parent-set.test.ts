// What a set has for those that build on it: pages of its own and of the sets before it.
import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import { CHANGED_SINCE, PARENT, type ParentLink } from '../../src/images/links.js';
import { ParentSet } from '../../src/pages/parent-set.js';
import { withTemp } from '../support/temp.js';
import { MadeSet } from './made-set.js';

const HOLE = 1;
const LAZY = 2;
const HERE = 4;

/** Three sets in a row, 3 the youngest, of process 9 and a segment. */
function chain(dir: string): string {
  new MadeSet(join(dir, '1'))
    .inventory()
    .pagemap('pagemap-9.img', [[16, 8, HERE]], { pagesId: 1 })
    .pages(1, [1, 2, 3, 4, 5, 6, 7, 8]);
  new MadeSet(join(dir, '2'))
    .inventory()
    .pagemap(
      'pagemap-9.img',
      [
        [16, 4, HOLE],
        [20, 1, HERE],
        [21, 3, HOLE],
      ],
      { pagesId: 1 },
    ) // prettier-ignore
    .pages(1, [9]);
  new MadeSet(join(dir, '3'))
    .inventory()
    .pagemap(
      'pagemap-9.img',
      [
        [16, 2, HOLE],
        [18, 1, HERE | LAZY],
        [19, 3, HOLE],
      ],
      { pagesId: 1 },
    ) // prettier-ignore
    .pagemap('pagemap-shmem-7.img', [[0, 1, HERE]], { pagesId: 2 })
    .pages(1, [11])
    .pages(2, [12]);
  symlinkSync('../1', join(dir, '2', PARENT));
  symlinkSync('../2', join(dir, '3', PARENT));
  return join(dir, '3');
}

async function failure(action: () => unknown): Promise<CkptError> {
  try {
    await action();
  } catch (error) {
    assert.instance(error, CkptError, String(error));
    return error as CkptError;
  }
  throw new Error('it succeeded');
}

test('pages of all sets of the chain count, and a gap names process and range', () =>
  withTemp(async (dir) => {
    const set = await ParentSet.read(chain(dir), PARENT);
    assert.equal(
      set.dirs,
      ['3', '2', '1'].map((name) => join(dir, name)),
    );
    set.expect({ owner: { pid: 9 }, page: 16, count: 6 });
    set.expect({ owner: { shmem: 7n }, page: 0, count: 1 });
    // Pages of the older sets that the youngest does not list are not in it.
    const gap = await failure(() => set.expect({ owner: { pid: 9 }, page: 20, count: 4 }));
    assert.is(gap.code, 'E_IMAGE_CORRUPT');
    assert.match(gap.message, /3 has no pages 0x16000-0x18000 of process 9/);
    assert.is(gap.details.pid, 9);
    const stranger = await failure(() => set.expect({ owner: { pid: 10 }, page: 16, count: 1 }));
    assert.match(stranger.message, /3 has no pages of process 10/);
  }));

test('a page that the chain leaves to a set which lost it is missing', () =>
  withTemp(async (dir) => {
    const top = chain(dir);
    new MadeSet(join(dir, '1'));
    rmSync(join(dir, '1/pagemap-9.img'));
    new MadeSet(join(dir, '1')).pagemap('pagemap-9.img', [[16, 4, HERE]], { pagesId: 1 });
    const set = await ParentSet.read(top, PARENT);
    const gap = await failure(() => set.expect({ owner: { pid: 9 }, page: 16, count: 6 }));
    assert.match(gap.message, /0x15000-0x16000 of process 9/);
  }));

test('a chain that is broken, a ring, or without data is no parent', () =>
  withTemp(async (dir) => {
    const top = chain(dir);
    const read = (link: ParentLink = PARENT) => failure(() => ParentSet.read(top, link));
    rmSync(join(dir, '1/pages-1.img'));
    assert.is((await read()).code, 'E_READ');
    symlinkSync('../3', join(dir, '1', PARENT));
    assert.match((await read()).message, /ring/);
    rmSync(join(dir, '1'), { recursive: true });
    const gone = await read();
    assert.is(gone.code, 'E_IMAGES_DIR');
    assert.match(gone.message, /2\/parent is no checkpoint: it is not there/);
  }));

test('no pages are left to a set that lists pages without holding them; for a list it is enough', () =>
  withTemp(async (dir) => {
    const old = new MadeSet(join(dir, 'old')).inventory();
    old.pagemap('pagemap-9.img', [[16, 4, LAZY]]);
    const refused = await failure(() => ParentSet.read(old.dir, PARENT));
    assert.is(refused.code, 'E_UNSUPPORTED_OPTION');
    assert.match(refused.message, /dumped without its pages/);
    const listed = await ParentSet.read(old.dir, CHANGED_SINCE);
    listed.expect({ owner: { pid: 9 }, page: 16, count: 4 });

    const changes = new MadeSet(join(dir, 'changes')).inventory();
    changes.pagemap('pagemap-9.img', [[16, 4, HOLE]]);
    symlinkSync('../old', join(changes.dir, CHANGED_SINCE));
    assert.match(
      (await failure(() => ParentSet.read(changes.dir, PARENT))).message,
      /without its pages/,
    );
    (await ParentSet.read(changes.dir, CHANGED_SINCE)).expect({
      ...{ owner: { pid: 9 }, page: 17, count: 3 },
    });
  }));

test.run();
