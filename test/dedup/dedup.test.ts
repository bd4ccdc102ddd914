// What a set replaces is punched out of the sets before it, and nothing else is.
import { linkSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dedup } from '../../src/dedup/dedup.js';
import { CkptError } from '../../src/errors.js';
import { ckpt } from '../cli/ckpt.js';
import { MadeSet, PAGE } from '../pages/made-set.js';
import { withTemp } from '../support/temp.js';

const HOLE = 1;
const HERE = 4;

/** Sets 1 to 3 in a row; 3 holds page 18 of process 9 and the first of the segment's. */
function chain(dir: string): string {
  new MadeSet(join(dir, '1'))
    .inventory()
    .pagemap(
      'pagemap-9.img',
      [
        [14, 1, HERE],
        [16, 4, HERE],
      ],
      { pagesId: 1 },
    ) // prettier-ignore
    .pages(1, [5, 1, 2, 3, 4])
    .pagemap('pagemap-10.img', [[18, 1, HERE]], { pagesId: 2 })
    .pages(2, [6])
    .tree([[9, 0]]);
  new MadeSet(join(dir, '2'))
    .inventory()
    .pagemap(
      'pagemap-9.img',
      [
        [16, 1, HERE],
        [17, 2, HOLE],
        [19, 1, HERE],
      ],
      { pagesId: 1 },
    ) // prettier-ignore
    .pages(1, [7, 8])
    .pagemap('pagemap-shmem-5.img', [[0, 2, HERE]], { pagesId: 2 })
    .pages(2, [9, 10]);
  new MadeSet(join(dir, '3'))
    .inventory()
    .pagemap(
      'pagemap-9.img',
      [
        [16, 2, HOLE],
        [18, 1, HERE],
        [19, 1, HOLE],
      ],
      { pagesId: 1 },
    ) // prettier-ignore
    .pages(1, [11])
    .pagemap(
      'pagemap-shmem-5.img',
      [
        [0, 1, HERE],
        [1, 1, HOLE],
      ],
      { pagesId: 2 },
    ) // prettier-ignore
    .pages(2, [12]);
  symlinkSync('../1', join(dir, '2/parent'));
  symlinkSync('../2', join(dir, '3/parent'));
  return join(dir, '3');
}

/** The first byte of each page, 0 where there is a hole. */
function bytes(dir: string, name: string): number[] {
  const file = readFileSync(join(dir, name));
  return Array.from({ length: file.length / PAGE }, (_, page) => file[page * PAGE]!);
}

const blocks = (dir: string, name: string): number => statSync(join(dir, name)).blocks;

async function failure(dir: string): Promise<CkptError> {
  try {
    await dedup({ imagesDir: dir });
  } catch (error) {
    assert.instance(error, CkptError, String(error));
    return error as CkptError;
  }
  throw new Error('it succeeded');
}

test('in all sets before, what the set holds itself is given back to the disk, and no more', () =>
  withTemp(async (dir) => {
    const top = chain(dir);
    const before = blocks(dir, '1/pages-1.img');
    const result = await dedup({ imagesDir: top });
    assert.equal(
      result.parents,
      ['2', '1'].map((name) => join(dir, name)),
    );
    assert.is(result.pages, 2);
    assert.is(result.freed, 2 * PAGE);
    assert.is(blocks(dir, '1/pages-1.img'), before - PAGE / 512);
    // Through the hole that set 2 has there, as with CRIU.
    assert.equal(bytes(dir, '1/pages-1.img'), [5, 1, 2, 0, 4]);
    assert.equal(bytes(dir, '2/pages-1.img'), [7, 8]);
    assert.equal(bytes(dir, '2/pages-2.img'), [0, 10]);
    assert.equal(bytes(dir, '1/pages-2.img'), [6]);
    assert.equal(bytes(dir, '3/pages-1.img'), [11]);
    assert.equal(result.spent, [join(dir, '1')]);
    assert.match(result.warnings[0]!, /1 can be restored by itself no more/);
    assert.is((await dedup({ imagesDir: top })).freed, 0);
  }));

test('on the command line, the folder is an operand or --images-dir', () =>
  withTemp(async (dir) => {
    const top = chain(dir);
    const { code, stdout } = await ckpt(['dedup', top, '--json']);
    assert.is(code, 0);
    assert.is(JSON.parse(stdout).freed, 2 * PAGE);
    const again = await ckpt(['dedup', '-D', top]);
    assert.match(again.stderr, /Freed 0 B: 2 pages replaced in 2 sets/);
    assert.match((await ckpt(['dedup'])).stderr, /--images-dir DIR is missing/);
    assert.match((await ckpt(['dedup', top, 'more'])).stderr, /unexpected argument 'more'/);
    assert.is((await ckpt(['dedup', join(dir, 'none')])).code, 1);
  }));

test('a set without parents has nothing to give', () =>
  withTemp(async (dir) => {
    chain(dir);
    const { parents, pages, freed } = await dedup({ imagesDir: join(dir, '1') });
    assert.equal([parents, pages, freed], [[], 0, 0]);
  }));

test('another set that has a parent of these keeps it as it is', () =>
  withTemp(async (dir) => {
    const top = chain(dir);
    new MadeSet(join(dir, 'side')).inventory().pagemap('pagemap-9.img', [[18, 1, HOLE]]);
    symlinkSync(join(dir, '1'), join(dir, 'side/parent'));
    const { code, message } = await failure(top);
    assert.is(code, 'E_IMAGES_DIR');
    assert.match(message, /1 is the parent of the set in .*side too/);
    assert.equal(bytes(dir, '1/pages-1.img'), [5, 1, 2, 3, 4]);
    rmSync(join(dir, 'side'), { recursive: true });
    // One that builds on the set itself loses nothing.
    mkdirSync(join(dir, '4'));
    symlinkSync('../3', join(dir, '4/parent'));
    assert.is((await dedup({ imagesDir: top })).pages, 2);
  }));

test('pages that are kept under another name, or are no file, are not touched', () =>
  withTemp(async (dir) => {
    const top = chain(dir);
    linkSync(join(dir, '2/pages-2.img'), join(dir, 'copy'));
    const { code, message } = await failure(top);
    assert.is(code, 'E_WRITE');
    assert.match(message, /pages-2.img: the file has another name/);
    assert.equal(bytes(dir, 'copy'), [9, 10]);
    rmSync(join(dir, '2/pages-2.img'));
    symlinkSync('../copy', join(dir, '2/pages-2.img'));
    assert.match((await failure(top)).message, /it is no regular file/);
    assert.equal(bytes(dir, 'copy'), [9, 10]);
  }));

test.run();
