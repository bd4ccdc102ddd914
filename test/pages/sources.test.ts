// Pages from image sets, with parents and without, and from flat stores; sources by their names.
import { execFileSync } from 'node:child_process';
import { rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import { FileSource } from '../../src/pages/file.js';
import { fill } from '../../src/pages/fill/fill.js';
import { ImagesSource } from '../../src/pages/images.js';
import { parseSource } from '../../src/pages/open.js';
import { readManifest } from '../../src/pages/read-manifest.js';
import type { PageSource } from '../../src/pages/source.js';
import { orSkip, Skip } from '../support/skip.js';
import { withTemp } from '../support/temp.js';
import { anonymous, MadeSet, PAGE, type Run } from './made-set.js';

const [PARENT, LAZY, PRESENT] = [1, 2, 4];
const owner = { pid: 9 };

async function failure(action: () => Promise<unknown>): Promise<string> {
  try {
    await action();
  } catch (error) {
    if (error instanceof CkptError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'none';
}

/** The set that is to be served. */
function wanted(dir: string): MadeSet {
  return new MadeSet(dir)
    .inventory()
    .mappings(9, [anonymous(10, 20)])
    .pagemap('pagemap-9.img', [[10, 8, LAZY]])
    .pagemap('pagemap-shmem-5.img', [[2, 2, PRESENT]]);
}

/** A set that may serve it. */
function serving(dir: string, runs: Run[], bytes: number[], parent?: string): MadeSet {
  const set = new MadeSet(dir)
    .inventory()
    .pagemap('pagemap-9.img', runs, { pagesId: 7 })
    .pages(7, bytes)
    .pagemap('pagemap-shmem-5.img', [[2, 2, PRESENT]], { pagesId: 8 })
    .pages(8, [0x55, 0x66]);
  if (parent) symlinkSync(parent, join(dir, 'parent'));
  return set;
}

async function opened<S extends PageSource>(source: S, dir: string): Promise<S> {
  await source.open!(await readManifest(dir));
  return source;
}

/** The first byte of each page. */
async function bytesOf(source: PageSource, page: number, count: number, of: object = owner) {
  const bytes = await source.read({ owner: of as typeof owner, page, count });
  assert.is(bytes.length, count * PAGE);
  return Array.from({ length: count }, (_, i) => bytes[i * PAGE]);
}

test('images: pages come from the set, from its parent and from the parent of that', () =>
  withTemp(async (dir) => {
    wanted(join(dir, 'wanted'));
    serving(join(dir, 'a'), [[10, 6]], [1, 2, 3, 4, 5, 6]);
    serving(
      join(dir, 'b'),
      [
        [10, 2, PARENT],
        [12, 2, PRESENT | LAZY],
        [14, 2, PARENT],
      ],
      [33, 34],
      '../a',
    );
    serving(
      join(dir, 'c'),
      [
        [10, 4, PARENT],
        [14, 1, PRESENT],
        [15, 1, PARENT],
        [17, 1, PRESENT],
      ],
      [75, 77],
      '../b',
    );
    const source = await opened(new ImagesSource(join(dir, 'c')), join(dir, 'wanted'));
    assert.equal(await bytesOf(source, 10, 6), [1, 2, 33, 34, 75, 6]);
    assert.equal(await bytesOf(source, 13, 2), [34, 75]);
    assert.equal(await bytesOf(source, 3, 1, { shmem: 5n }), [0x66]);
    const place = (set: string, offset: number) => ({
      kind: 'file',
      path: join(dir, set, 'pages-7.img'),
      offset: offset * PAGE,
    });
    assert.equal(source.locate({ owner, page: 11, count: 4 }), [
      { page: 11, count: 1, place: place('a', 1) },
      { page: 12, count: 2, place: place('b', 0) },
      { page: 14, count: 1, place: place('c', 0) },
    ]);
    const lacks = await failure(() => source.read({ owner, page: 15, count: 3 }));
    assert.match(lacks, /^E_PAGE_SOURCE images:.* no pages 0xf000-0x12000 of process 9/);
    await source.close();
  }));

test('images: in anonymous memory a set does not list pages that are all zeros', () =>
  withTemp(async (dir) => {
    wanted(join(dir, 'wanted'));
    // Anonymous from 9 on, then of a file, anonymous, locked, of huge pages.
    const make = (name: string, first: Run, parent?: string) =>
      serving(join(dir, name), [first, [15, 1, PRESENT]], [1, 2], parent).mappings(9, [
        anonymous(9, 3),
        anonymous(12, 1, { flags: 0x02, shmid: 3, status: 1 | (1 << 7) }),
        anonymous(13, 3),
        anonymous(16, 1, { flags: 0x2022 }),
        anonymous(17, 1, { flags: 0x40022 }),
      ]);
    make('set', [10, 1, PRESENT]);
    const source = await opened(new ImagesSource(join(dir, 'set')), join(dir, 'wanted'));
    assert.equal(await bytesOf(source, 9, 3), [0, 1, 0]);
    assert.equal(await bytesOf(source, 13, 3), [0, 0, 2]);
    for (const page of [8, 12, 16, 17, 18]) {
      const lacks = await failure(() => source.read({ owner, page, count: 1 }));
      assert.match(lacks, `no pages 0x${page.toString(16)}000-`);
    }
    await source.close();

    // What is listed and is not there is no zeros.
    for (const flags of [LAZY, PARENT]) {
      serving(join(dir, `parent-${flags}`), [[30, 1]], [1]);
      make(`lazy-${flags}`, [10, 1, flags], `../parent-${flags}`);
      const images = new ImagesSource(join(dir, `lazy-${flags}`));
      await opened(images, join(dir, 'wanted'));
      assert.match(await failure(() => bytesOf(images, 9, 2)), 'no pages 0x9000-0xb000');
      await images.close();
    }
  }));

test('images: sets that are torn, hostile or of another tree are named', () =>
  withTemp(async (dir) => {
    wanted(join(dir, 'wanted'));
    let n = 0;
    const opening = (make: (set: MadeSet) => void, runs: Run[] = [[10, 2]], parent?: string) => {
      const path = join(dir, `set-${n++}`);
      make(serving(path, runs, [1, 2], parent));
      return failure(() => opened(new ImagesSource(path), join(dir, 'wanted')));
    };
    const remove = (name: string) => (set: MadeSet) => rmSync(join(set.dir, name));
    assert.is(await opening(() => {}), 'none');
    assert.match(await opening(remove('inventory.img')), /^E_IMAGES_DIR .*no inventory.img/);
    assert.match(await opening(remove('pagemap-9.img')), /^E_PAGE_SOURCE .*no pages of process 9/);
    assert.match(await opening(remove('pagemap-shmem-5.img')), /no pages of shared memory 5/);
    assert.match(await opening(remove('pages-7.img')), /^E_READ .*pages-7.img/);
    const short = await opening((set) => truncateSync(join(set.dir, 'pages-7.img'), PAGE + 1));
    assert.match(short, /^E_IMAGE_TORN .*pages-7.img: the file ends 4095 bytes too early/);
    const linked = await opening((set) => {
      rmSync(join(set.dir, 'pages-7.img'));
      symlinkSync('/proc/kcore', join(set.dir, 'pages-7.img'));
    });
    assert.match(linked, /pages-7.img: it is no regular file/);
    assert.match(await opening(() => {}, [[10, 1, PARENT]]), /and there is none/);
    assert.match(
      await opening(() => {}, [[10, 1, PARENT]], '.'),
      /^E_IMAGE_CORRUPT .*leads in a ring/,
    );
    assert.match(
      await opening(() => {}, [[10, 1, PARENT]], '/etc'),
      /^E_IMAGES_DIR \/etc is no checkpoint/,
    );
    assert.match(await opening(() => {}, [[10, 1, PARENT]], 'nowhere'), /it is not there/);
    let last = '';
    for (let i = 0; i < 513; i++) {
      const path = join(dir, `deep-${i}`);
      new MadeSet(path).inventory();
      if (last) symlinkSync(last, join(path, 'parent'));
      last = path;
    }
    assert.match(await opening(() => {}, [[10, 1, PARENT]], last), /more than 512 sets in a row/);
  }));

test('file: a store is read as the manifest lays it out, and has to be large enough', () =>
  withTemp(async (dir) => {
    wanted(join(dir, 'wanted'));
    const path = join(dir, 'store');
    writeFileSync(
      path,
      Buffer.concat([...'abcdefghST'].map((letter) => Buffer.alloc(PAGE, letter))),
    );
    const source = await opened(new FileSource(path), join(dir, 'wanted'));
    assert.equal(
      await bytesOf(source, 11, 2),
      [...'bc'].map((letter) => letter.charCodeAt(0)),
    );
    assert.equal(await bytesOf(source, 3, 1, { shmem: 5n }), [0x54]);
    assert.equal(source.locate({ owner, page: 12, count: 3 }), [
      { page: 12, count: 3, place: { kind: 'file', path, offset: 2 * PAGE } },
    ]);
    assert.match(
      await failure(async () => source.read({ owner, page: 17, count: 2 })),
      /^E_PAGE_SOURCE file:.*no pages 0x11000-0x13000 of process 9: .* does not list them/,
    );
    truncateSync(path, 9 * PAGE); // under its hands
    assert.match(
      await failure(() => source.read({ owner: { shmem: 5n } as never, page: 2, count: 2 })),
      /^E_PAGE_SOURCE .*no pages 0x2000-0x4000 of shared memory 5: .*ends too early/,
    );
    await source.close();
    const opening = (other: string) =>
      failure(() => opened(new FileSource(other), join(dir, 'wanted')));
    assert.match(await opening(path), /it has 36864 bytes, the pages of .* need 40960/);
    assert.match(await opening(join(dir, 'none')), /^E_PAGE_SOURCE file:.*no such file/);
    assert.match(await opening(dir), /neither a file nor a device/);
    assert.match(await opening('/dev/zero'), /^E_PAGE_SOURCE file:\/dev\/zero: /);
  }));

test('file: a block device serves as well, and takes a store', () =>
  orSkip('a block device', () =>
    withTemp(async (dir) => {
      wanted(join(dir, 'wanted'));
      serving(join(dir, 'set'), [[10, 8]], [1, 2, 3, 4, 5, 6, 7, 8]);
      const device = loop(join(dir, 'disk'), 16);
      const small = loop(join(dir, 'small'), 4);
      try {
        const options = { imagesDir: join(dir, 'wanted'), from: `images:${join(dir, 'set')}` };
        new MadeSet(join(dir, 'wanted')).pages(0, [0x55, 0x66]); // of its segment, which it holds
        await fill({ ...options, store: device });
        const source = await opened(new FileSource(device), join(dir, 'wanted'));
        assert.equal(await bytesOf(source, 15, 3), [6, 7, 8]);
        assert.equal(await bytesOf(source, 2, 2, { shmem: 5n }), [0x55, 0x66]);
        await source.close();
        assert.match(
          await failure(() => fill({ ...options, store: small })),
          /^E_NO_SPACE .* need/,
        );
      } finally {
        for (const one of [device, small]) execFileSync('losetup', ['-d', one]);
      }
    }),
  ));

function loop(path: string, pages: number): string {
  writeFileSync(path, Buffer.alloc(pages * PAGE));
  try {
    return execFileSync('losetup', ['--show', '-f', path], { encoding: 'utf8' }).trim();
  } catch (error) {
    throw new Skip(`no loop device: ${(error as Error).message}`);
  }
}

test('sources by their names', async () => {
  assert.is(parseSource('images:/a b:c').name, 'images:/a b:c');
  assert.is(parseSource('process:12,13=14').name, 'process:12,13=14');
  assert.is(parseSource('file:x').name, 'file:x');
  const remedy = async (spec: string): Promise<string> => {
    try {
      parseSource(spec);
    } catch (error) {
      const { code, message, details } = error as CkptError;
      return `${code} ${message} (${details.remedy ?? ''})`;
    }
    return 'none';
  };
  assert.match(await remedy('proces:12'), /^E_USAGE .*did you mean process:PID/);
  assert.match(
    await remedy('gopher:x'),
    /^E_USAGE 'gopher:x' names no source .*images:DIR, process:/,
  );
  assert.match(await remedy('/var/images'), /^E_USAGE .*images:DIR/);
  assert.match(await remedy('constructor:x'), /^E_USAGE /);
  assert.match(await remedy('images:'), /^E_USAGE .*images:DIR/);
  assert.match(await remedy('process:x'), /^E_USAGE .*'x' is neither PID nor PID=VPID/);
});

test.run();
