// A set as a whole: complete or not there, and never a file touched that is not its own.
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import { ImageSet } from '../../src/images/set.js';
import { withTemp } from '../support/temp.js';

const inventory = { img_version: 2, fdinfo_per_id: true };

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return error instanceof CkptError ? error.code : String(error);
  }
  return 'none';
}

test('commit closes what is open and ends with inventory.img', () =>
  withTemp(async (dir) => {
    const set = new ImageSet(dir);
    set.create('FS', 1).add({ cwd_id: 1, root_id: 1 });
    assert.is(existsSync(join(dir, 'inventory.img')), false);
    await set.commit(inventory);
    assert.equal(readdirSync(dir).sort(), ['fs-1.img', 'inventory.img']);
    assert.is(
      readFileSync(join(dir, 'inventory.img')).toString('hex'),
      '16313158040000000802' + '1001',
    );
    assert.equal(set.files(), [
      { name: 'fs-1.img', size: 16 },
      { name: 'inventory.img', size: 12 },
    ]);
    set.discard();
    assert.equal(readdirSync(dir), []);
  }));

test('a set that fails removes its files and no others', () =>
  withTemp(async (dir) => {
    writeFileSync(join(dir, 'dump.log'), 'not ours');
    writeFileSync(join(dir, 'stats-dump'), 'not ours');
    const set = new ImageSet(dir);
    set.create('FS', 1).add({ cwd_id: 1, root_id: 1 });
    set.create('FS', 2).close();
    rmSync(join(dir, 'fs-2.img'));
    writeFileSync(join(dir, 'fs-2.img'), "somebody else's");
    writeFileSync(join(dir, 'pages-1.img'), "the helper's");
    writeFileSync(join(dir, 'core.tmp'), "somebody else's");
    set.adopt((name) => name.startsWith('pages-'));
    set.discard();
    assert.equal(readdirSync(dir).sort(), ['core.tmp', 'dump.log', 'fs-2.img', 'stats-dump']);
    assert.is(readFileSync(join(dir, 'fs-2.img'), 'utf8'), "somebody else's");
  }));

test('nothing is adopted that was there before, or is no file', () =>
  withTemp(async (dir) => {
    writeFileSync(join(dir, 'notes'), '');
    const set = new ImageSet(dir);
    mkdirSync(join(dir, 'folder'));
    set.adopt(() => true);
    assert.equal(set.files(), []);
    set.discard();
    assert.equal(readdirSync(dir).sort(), ['folder', 'notes']);
  }));

test('a commit that fails leaves no inventory.img', () =>
  withTemp(async (dir) => {
    const set = new ImageSet(dir);
    set.create('FS', 1).add({ cwd_id: 1, root_id: 1 });
    mkdirSync(join(dir, 'inventory.img'));
    const error = await set.commit(inventory).then(
      () => undefined,
      (reason: CkptError) => reason,
    );
    assert.is(error?.code, 'E_WRITE');
    set.discard();
    assert.equal(readdirSync(dir), ['inventory.img']);
    assert.ok(lstatSync(join(dir, 'inventory.img')).isDirectory());
  }));

test('a folder that holds images or is none is refused', () =>
  withTemp(async (dir) => {
    assert.is(
      codeOf(() => new ImageSet(join(dir, 'no'))),
      'E_IMAGES_DIR',
    );
    writeFileSync(join(dir, 'core-1.img'), '');
    assert.is(
      codeOf(() => new ImageSet(join(dir, 'core-1.img'))),
      'E_IMAGES_DIR',
    );
    assert.is(
      codeOf(() => new ImageSet(dir)),
      'E_IMAGES_EXIST',
    );
  }));

test.run();
