import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import { findFolders, isOnDisk, makeStaging } from '../../src/dump/folders.js';
import { publish, retract } from '../../src/dump/publish.js';
import { withTemp } from '../support/temp.js';

const NEW_SET = ['pstree.img', 'core-7.img', 'inventory.img'];

function write(dir: string, ...names: string[]): void {
  for (const name of names) writeFileSync(join(dir, name), `${name} of ${dir}`);
}

/** A complete set in a staging folder of `dir`. */
function staged(dir: string): string {
  const staging = makeStaging(dir);
  write(staging, ...NEW_SET);
  return staging;
}

function refusal(images: string, work?: string): CkptError {
  try {
    findFolders(images, work);
  } catch (error) {
    assert.instance(error, CkptError);
    return error as CkptError;
  }
  throw new Error('accepted');
}

test('folders are found through symlinks; the work folder is by default that of the images', () =>
  withTemp(async (dir) => {
    mkdirSync(join(dir, 'real'));
    symlinkSync('real', join(dir, 'link'));
    const real = join(dir, 'real');
    assert.equal(findFolders(join(dir, 'link')), { images: real, work: real });
    assert.equal(findFolders(join(dir, 'link'), dir), { images: real, work: dir });
  }));

test('a folder that is missing, or none, is refused by its option', () =>
  withTemp(async (dir) => {
    write(dir, 'file');
    const missing = refusal(join(dir, 'missing'));
    assert.is(missing.code, 'E_IMAGES_DIR');
    assert.match(missing.message, /^--images-dir: .*no such file/);
    assert.match(refusal(join(dir, 'file')).message, 'is no folder');
    const work = refusal(dir, join(dir, 'missing'));
    assert.is(work.code, 'E_WORK_DIR');
    assert.match(work.message, /^--work-dir: /);
  }));

test('a set comes about in a folder of its own that others cannot enter', () =>
  withTemp(async (dir) => {
    const staging = makeStaging(dir);
    assert.is(statSync(staging).mode & 0o777, 0o700);
    assert.equal(readdirSync(dir).length, 1);
  }));

test('a new set takes its place, and nothing is left where it was made', () =>
  withTemp(async (dir) => {
    const staging = staged(dir);
    publish(staging, dir, NEW_SET);
    assert.equal(readdirSync(staging), []);
    for (const name of NEW_SET) {
      assert.is(readFileSync(join(dir, name), 'utf8'), `${name} of ${staging}`);
    }
  }));

test('an older set goes as a whole, with its link to a parent; other files stay', () =>
  withTemp(async (dir) => {
    write(dir, 'inventory.img', 'core-3.img', 'pages-2.img', 'pagemap-3.img', 'pstree.img');
    symlinkSync('../nowhere', join(dir, 'parent'));
    write(dir, 'dump.log', 'disk.img', 'notes', 'stats-dump');
    publish(staged(dir), dir, NEW_SET);
    const left = readdirSync(dir).filter((name) => !name.startsWith('.ckpt-'));
    assert.equal(left.sort(), [...NEW_SET, 'disk.img', 'dump.log', 'notes', 'stats-dump'].sort());
  }));

test('a folder that is called parent is none of ours', () =>
  withTemp(async (dir) => {
    mkdirSync(join(dir, 'parent'));
    publish(staged(dir), dir, NEW_SET);
    assert.ok(lstatSync(join(dir, 'parent')).isDirectory());
  }));

test('a symlink in the place of an image is replaced, not followed', () =>
  withTemp(async (dir) => {
    write(dir, 'precious');
    symlinkSync('precious', join(dir, 'core-7.img'));
    publish(staged(dir), dir, NEW_SET);
    assert.is(readFileSync(join(dir, 'precious'), 'utf8'), `precious of ${dir}`);
    assert.ok(lstatSync(join(dir, 'core-7.img')).isFile());
  }));

test('a set that cannot be moved whole is not there at all', () =>
  withTemp(async (dir) => {
    write(dir, 'notes');
    const staging = staged(dir);
    assert.throws(() => publish(staging, dir, ['pstree.img', 'core-8.img', 'inventory.img']));
    assert.equal(
      readdirSync(dir).filter((name) => !name.startsWith('.ckpt-')),
      ['notes'],
    );
  }));

test('a set is taken back by its names alone', () =>
  withTemp(async (dir) => {
    write(dir, 'notes', 'core-9.img');
    publish(staged(dir), dir, NEW_SET);
    write(dir, 'core-9.img');
    retract(dir, NEW_SET);
    assert.not(existsSync(join(dir, 'inventory.img')));
    assert.ok(existsSync(join(dir, 'core-9.img')));
    assert.ok(existsSync(join(dir, 'notes')));
  }));

test('what is in memory is on no disk', () => {
  assert.is(isOnDisk('/proc'), true, 'not known to be memory');
  assert.is(isOnDisk('/dev/shm'), false);
});

test.run();
