// Images as bytes in files: magics, lengths, payloads, and what the file system may refuse.
import { readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import { type Kind, kinds } from '../../src/images/kinds.js';
import { fileName, parseName } from '../../src/images/names.js';
import { PagemapWriter, PE_LAZY, PE_PRESENT } from '../../src/images/pagemap.js';
import { ImageReader } from '../../src/images/read.js';
import { ImageWriter } from '../../src/images/write.js';
import { Skip, orSkip } from '../support/skip.js';
import { withTemp } from '../support/temp.js';

const MILLION = 1_000_000;
/** What a million entries may take, in bytes: a tenth of what they would as objects. */
const MEMORY = 48 * 1024 * 1024;

function failure(action: () => unknown): CkptError {
  try {
    action();
  } catch (error) {
    if (error instanceof CkptError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** Bytes in use, of buffers too. */
function memory(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test('an image begins with its magics, each entry with its length', () =>
  withTemp(async (dir) => {
    const path = join(dir, 'fs-1.img');
    const image = new ImageWriter('FS', path);
    image.add({ cwd_id: 1, root_id: 2, umask: 0 });
    image.add({ cwd_id: 300, root_id: 0 });
    assert.is(image.bytes, 8 + 4 + 6 + 4 + 5);
    image.close();
    const common = '19435654';
    const own = '12394051';
    const expected = [common, own, '06000000', '080110021800', '05000000', '08ac021000'];
    assert.is(readFileSync(path).toString('hex'), expected.join(''));
    assert.is(statSync(path).mode & 0o777, 0o600);
  }));

test('inventory has no common magic, statistics have that of services, raw images none', () =>
  withTemp(async (dir) => {
    const magics = (kind: Kind): string => {
      const path = join(dir, kind);
      new ImageWriter(kind, path).close();
      return readFileSync(path).toString('hex');
    };
    assert.is(magics('INVENTORY'), '16313158');
    assert.is(magics('STATS'), '4059105506330957');
    assert.is(magics('IRMAP_CACHE'), '4059105559400057');
    assert.is(magics('PAGES'), '');
  }));

test('names tell kinds and ids', () => {
  assert.is(fileName('CORE', 12), 'core-12.img');
  assert.is(fileName('GHOST_FILE', 255), 'ghost-file-ff.img');
  assert.is(fileName('SHMEM_PAGEMAP', 2n ** 63n), 'pagemap-shmem-9223372036854775808.img');
  assert.is(fileName('STATS', 'dump'), 'stats-dump');
  assert.equal(parseName('pagemap-12.img'), { kind: 'PAGEMAP', id: '12' });
  assert.equal(parseName('pagemap-shmem-12.img'), { kind: 'SHMEM_PAGEMAP', id: '12' });
  assert.equal(parseName('inventory.img'), { kind: 'INVENTORY', id: '' });
  for (const name of [
    'inventory.img.tmp',
    'xinventory.img',
    'core-.img',
    'core-1.imgs',
    'coreX1.img',
  ]) {
    assert.is(parseName(name), undefined, name);
  }
  for (const kind of Object.keys(kinds) as Kind[]) {
    const id = kind === 'STATS' ? 'dump' : '7';
    const expected = { kind, id: kinds[kind].file.includes('%') ? id : '' };
    assert.equal(parseName(fileName(kind, id)), expected);
  }
});

test('payloads follow their entries, padded, and must be what the entries announce', () =>
  withTemp(async (dir) => {
    const data = Buffer.from('in flight');
    const pipes = new ImageWriter('PIPES_DATA', join(dir, 'pipes'));
    const mismatch = failure(() => pipes.add({ pipe_id: 1, bytes: 5 }, data));
    assert.is(mismatch.code, 'E_IMAGE_FIELD');
    assert.is(mismatch.message, 'pipe_data_entry: announces 5 bytes, and 9 follow');
    assert.is(failure(() => pipes.add({ pipe_id: 1, bytes: 5 })).code, 'E_IMAGE_FIELD');
    assert.is(pipes.bytes, 8, 'a refused entry leaves nothing behind');
    pipes.add({ pipe_id: 1, bytes: data.length }, data);
    pipes.close();
    assert.is(readFileSync(pipes.file.path).subarray(16).toString(), 'in flight');

    const desc = { key: 0, uid: 0, gid: 0, cuid: 0, cgid: 0, mode: 0, id: 0 };
    const sem = new ImageWriter('IPCNS_SEM', join(dir, 'sem'));
    sem.add({ desc, nsems: 3 }, new Uint8Array(6).fill(1));
    assert.is(sem.bytes % 8, (8 + 4 + 18) % 8);
    sem.close();
  }));

test('a large payload goes through unbuffered, in order', () =>
  withTemp(async (dir) => {
    const large = Buffer.alloc(300_000, 7);
    const image = new ImageWriter('PIPES_DATA', join(dir, 'pipes'));
    for (const data of [Buffer.of(1), large, Buffer.of(2)]) {
      image.add({ pipe_id: 1, bytes: data.length }, data);
    }
    const { bytes } = image;
    image.close();
    const written = readFileSync(image.file.path);
    assert.is(written.length, bytes);
    assert.is(written.at(-1), 2);
    assert.is(written.filter((byte) => byte === 7).length, 300_000);
  }));

test('no file is overwritten and no link followed', () =>
  withTemp(async (dir) => {
    writeFileSync(join(dir, 'there'), 'kept');
    symlinkSync(join(dir, 'elsewhere'), join(dir, 'link'));
    for (const name of ['there', 'link']) {
      const error = failure(() => new ImageWriter('FS', join(dir, name)));
      assert.is(error.code, 'E_IMAGES_EXIST');
      assert.is(error.message, `cannot make ${join(dir, name)}: file already exists`);
    }
    assert.is(readFileSync(join(dir, 'there'), 'utf8'), 'kept');
    const error = failure(() => new ImageWriter('FS', join(dir, 'no', 'fs-1.img')));
    assert.is(error.code, 'E_WRITE');
    assert.is(error.details.errno, 'ENOENT');
  }));

const full = 'a full disk and a read-only one are errors that name the file';
test(full, () =>
  orSkip(full, () =>
    withTemp(async (dir) => {
      const mounted = await execa('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', dir], {
        reject: false,
      });
      if (mounted.failed) throw new Skip('cannot mount');
      try {
        const image = new ImageWriter('PAGES', join(dir, 'pages-1.img'));
        const error = failure(() => {
          for (let i = 0; i < 100; i++) image.addRaw(Buffer.alloc(10_000));
        });
        assert.is(error.code, 'E_NO_SPACE');
        assert.is(error.message, `cannot write ${image.file.path}: no space left on device`);
        image.abandon();
        await execa('mount', ['-o', 'remount,ro', dir]);
        const readOnly = failure(() => new ImageWriter('FS', join(dir, 'fs-1.img')));
        assert.equal([readOnly.code, readOnly.details.errno], ['E_WRITE', 'EROFS']);
      } finally {
        await execa('umount', [dir]);
      }
    }),
  ),
);

test('a million runs are written and read in bounded memory', () =>
  withTemp(async (dir) => {
    const path = join(dir, 'pagemap-1.img');
    const before = memory();
    let most = 0;
    const pagemap = new PagemapWriter(new ImageWriter('PAGEMAP', path), 1);
    for (let i = 0; i < MILLION; i++) {
      pagemap.add(0x7f00_0000_0000 + i * 8192, 1, PE_PRESENT | PE_LAZY);
      if (i % 10_000 === 0) most = Math.max(most, memory() - before);
    }
    pagemap.image.close();
    assert.is(pagemap.present, MILLION);
    assert.ok(most < MEMORY, `writing took ${most} bytes`);

    const reader = await ImageReader.open(path, 'PAGEMAP');
    let runs = 0;
    for await (const entry of reader) {
      if (entry.message === 'pagemap_head') continue;
      assert.is(entry.value.compat_nr_pages, 1);
      if (runs++ % 10_000 === 0) most = Math.max(most, memory() - before);
    }
    await reader.close();
    assert.is(runs, MILLION);
    assert.ok(most < MEMORY, `reading took ${most} bytes`);
  }));

test('runs are counted in both fields, and long ones split below 2 GiB', () =>
  withTemp(async (dir) => {
    const path = join(dir, 'pagemap-1.img');
    const pagemap = new PagemapWriter(new ImageWriter('PAGEMAP', path), 0);
    pagemap.add('0xff00000000001000', 2 ** 19 + 3, PE_LAZY);
    pagemap.image.close();
    const runs: unknown[] = [];
    const reader = await ImageReader.open(path, 'PAGEMAP');
    for await (const { message, value } of reader) {
      if (message === 'pagemap_head') continue;
      const { vaddr, compat_nr_pages, nr_pages, flags } = value;
      runs.push([vaddr.toString(16), compat_nr_pages, nr_pages!.toNumber(), flags]);
    }
    await reader.close();
    assert.equal(runs, [
      ['ff00000000001000', 2 ** 18, 2 ** 18, 2],
      ['ff00000040001000', 2 ** 18, 2 ** 18, 2],
      ['ff00000080001000', 3, 3, 2],
    ]);
  }));

test.run();
