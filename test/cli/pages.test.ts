// `ckpt pages` and `ckpt fill` as a user sees them.
import { readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fileName } from '../../src/images/names.js';
import { ImageWriter } from '../../src/images/write.js';
import { anonymous, MadeSet, PAGE } from '../pages/made-set.js';
import { withTemp } from '../support/temp.js';
import { ckpt } from './ckpt.js';

/** A set of one process and one segment, with names that nobody should print as they are. */
function make(dir: string): void {
  const file = anonymous(40, 5, { flags: 0x02, status: 1 | (1 << 6), shmid: 3, prot: 5 });
  const heap = anonymous(10, 5, { status: 1 | (1 << 5) | (1 << 9) });
  new MadeSet(dir)
    .inventory()
    .mappings(9, [heap, anonymous(15, 5), file])
    .pagemap(
      'pagemap-9.img',
      [
        [12, 6, 2],
        [41, 1, 4],
      ],
      { pagesId: 1 },
    )
    .pages(1, [0x41])
    .pagemap('pagemap-shmem-5.img', [[2, 2, 1]]);
  const owner = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 };
  const files = new ImageWriter('FILES', join(dir, fileName('FILES')));
  const reg = { id: 3, flags: 0, pos: 0, fown: owner, name: '/bin/\x1b[2Jcat' };
  files.add({ type: 1, id: 3, reg });
  files.close();
  const inodes = new ImageWriter('MEMFD_INODE', join(dir, fileName('MEMFD_INODE')));
  inodes.add({ name: 'cache', uid: 0, gid: 0, size: 0, shmid: 5, seals: 0, inode_id: 1 });
  inodes.close();
}

test('ckpt pages prints a table for people', () =>
  withTemp(async (dir) => {
    make(dir);
    const { code, stdout, stderr } = await ckpt(['pages', '-D', dir]);
    assert.equal([code, stderr], [0, '']);
    const rows = stdout.split('\n').map((line) => line.trim().replace(/ {2,}/g, '|'));
    assert.equal(rows, [
      `${dir}: 9 pages, 36.0 KiB`,
      '',
      'process 9: 7 pages, 28.0 KiB',
      'address|pages|where|taken|in a store|mapping',
      '0xc000|3|nowhere|late|0x0|rw-p heap',
      '0xf000|3|nowhere|late|0x3000|rw-p anonymous',
      '0x29000|1|here|early|0x6000|r-xp /bin/\\x1b[2Jcat',
      '',
      'shared memory 5: 2 pages, 8.0 KiB',
      'address|pages|where|taken|in a store|mapping',
      '0x2000|2|parent|early|0x7000|cache',
    ]);
  }));

test('of a list of what has changed, --json tells where the rest lies in the store before', () =>
  withTemp(async (dir) => {
    const mappings = [anonymous(10, 20)];
    new MadeSet(join(dir, '1'))
      .inventory()
      .mappings(9, mappings)
      .pagemap('pagemap-9.img', [[10, 1, 2], [12, 2, 2], [20, 2, 2]]); // prettier-ignore
    new MadeSet(join(dir, '2'))
      .inventory()
      .mappings(9, mappings)
      .pagemap('pagemap-9.img', [[12, 2, 1], [14, 6, 2], [20, 2, 1]]); // prettier-ignore
    symlinkSync('../1', join(dir, '2/ckpt-parent'));
    const look = async () => {
      const { stdout } = await ckpt(['pages', '-D', join(dir, '2'), '--json']);
      const set = JSON.parse(stdout);
      assert.is(set.changedSince, join(dir, '1'));
      return set.owners[0].ranges.map((range: Record<string, unknown>) => {
        const { vaddr, offset, changed, offsetBefore } = range;
        return [vaddr, offset, changed, offsetBefore];
      });
    };
    assert.equal(await look(), [
      ['0xc000', 0, false, PAGE],
      ['0xe000', 2 * PAGE, true, undefined],
      ['0x14000', 8 * PAGE, false, 3 * PAGE],
    ]);
    rmSync(join(dir, '1'), { recursive: true });
    assert.equal((await look())[0], ['0xc000', 0, false, undefined]);
  }));

test('ckpt pages --json prints one object', () =>
  withTemp(async (dir) => {
    make(dir);
    const { code, stdout } = await ckpt(['pages', '-D', dir, '--json']);
    assert.is(code, 0);
    const { owners, ...head } = JSON.parse(stdout);
    assert.equal(head, { ok: true, imagesDir: dir, pageSize: PAGE, pages: 9 });
    assert.equal(
      owners.map(({ ranges, ...owner }: { ranges: unknown[] }) => [owner, ranges.length]),
      [
        [{ pid: 9, pages: 7 }, 3],
        [{ shmem: '5', pages: 2 }, 1],
      ],
    );
    assert.equal(owners[0].ranges[2], {
      ...{ vaddr: '0x29000', pages: 1, flags: 4, eager: true, offset: 6 * PAGE },
      mapping: { kind: 'file', name: '/bin/\x1b[2Jcat', protection: 'r-xp' },
    });
  }));

test('wrong command lines and sets are one line', () =>
  withTemp(async (dir) => {
    const cases: [string[], number, RegExp][] = [
      [['pages'], 2, /^ckpt: --images-dir DIR is missing/],
      [['pages', '-D', dir], 1, /^ckpt: .* is no checkpoint: it has no inventory.img$/],
      [['pages', '-D', dir, '--from', 'x'], 2, /ckpt pages has no option --from/],
      [['fill', '-D', dir], 2, /--from SOURCE is missing/],
      [['fill', '-D', dir, '--from', 'imges:x'], 2, /\(did you mean images:DIR\?\)$/],
      [['fill', '-D', dir, '--from', 'images:x'], 1, /is no checkpoint/],
      [['fill', '-D', dir, '--from', 'images:x', '--only=late'], 2, /'late' is not eager/],
      [['dump', '-t', '5', '-D', '/', '-o', 'log', '--page-store', 'x'], 2, /without --skip-pages/],
    ];
    for (const [args, expected, line] of cases) {
      const { code, stdout, stderr } = await ckpt(args);
      assert.equal([code, stdout], [expected, ''], args.join(' '));
      assert.match(stderr, line);
      assert.not.match(stderr, '\n');
    }
  }));

test('ckpt fill says what it did, -o being the folder for the set', () =>
  withTemp(async (dir) => {
    const set = join(dir, 'set');
    new MadeSet(set)
      .inventory()
      .mappings(9, [anonymous(10, 5)])
      .pagemap('pagemap-9.img', [[12, 2, 2]]);
    const from = new MadeSet(join(dir, 'from')).inventory().pages(1, [1, 2]);
    from.pagemap('pagemap-9.img', [[12, 2, 6]], { pagesId: 1 });
    const out = new MadeSet(join(dir, 'out')).dir;
    const source = `images:${from.dir}`;
    const { code, stdout, stderr } = await ckpt(['fill', '-D', set, '--from', source, '-o', out]);
    assert.equal([code, stdout], [0, '']);
    assert.match(stderr, new RegExp(`^Filled ${out} in .*: 2 pages \\(8.0 KiB\\) from ${source}$`));
    assert.is(readFileSync(join(out, 'pages-1.img'))[PAGE], 2);
  }));

test.run();
