// The whole darkroom: frames in, a committed set out, or nothing and a reason.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { develop } from '../../src/develop/index.js';
import type { DumpFrame } from '../../src/helper/client.js';
import { writeGhost } from '../../src/develop/write/ghost.js';
import { CkptError } from '../../src/errors.js';
import { ImageReader } from '../../src/images/read.js';
import { ImageSet } from '../../src/images/set.js';
import { oracleProgram } from '../support/paths.js';
import { orSkip, Skip } from '../support/skip.js';
import { withTemp } from '../support/temp.js';
import { captured, file, ghost, PID, task, thread, tree, xsave } from './sample.js';

const CONTENT = 'what a deleted file holds';

/** A tree with a thread, a zombie, a file of several kinds, and pages. */
function sample(): DumpFrame[] {
  const deleted = { id: 4, nlink: 0, ino: '0x77', link: '/tmp/x (deleted)' };
  const files = [file('pipe', { flags: 0 }), file('regular', deleted), file('eventfd', { id: 5 })];
  const { pid, ppid, pgid, sid, comm, flags } = task({ pid: 102, ppid: PID, pgid: PID, sid: PID });
  const frames = tree(...files);
  frames.splice(1, 0, {
    ...{ t: 'task', pid, ppid, pgid, sid, comm, flags, tids: [pid] },
    ...{ state: 'zombie', exit_code: 768 },
  });
  Object.assign(frames[0]!, { tids: [PID, 101] });
  frames.splice(3, 0, thread({ tid: 101 }));
  return [
    ...frames,
    {
      ...{ t: 'pipe', ino: '0x20', capacity: 4096, packet: false, peer_missing: false },
      data: Buffer.from('in flight').toString('base64'),
    },
    ghost(),
    { t: 'pagemap', pid: PID, pages_file: 'pages-1.img', runs: [0x500, 1, 3], last: true },
    captured(),
  ];
}

async function* stream(frames: DumpFrame[]): AsyncGenerator<DumpFrame> {
  for (const frame of frames) yield frame;
}

/** Develops into `dir`, with the files that the helper would have made. */
async function take(dir: string, frames: DumpFrame[]): Promise<void> {
  const images = new ImageSet(dir, { sync: false });
  writeFileSync(join(dir, 'pages-1.img'), Buffer.alloc(4096));
  writeFileSync(join(dir, 'ghost-1'), CONTENT);
  try {
    await develop(stream(frames), images, { xsave }, {});
  } catch (error) {
    images.discard();
    throw error;
  }
}

const EXPECTED = [
  ...['core-100.img', 'core-101.img', 'core-102.img', 'fdinfo-2.img', 'files.img', 'fs-100.img'],
  ...['ghost-file-1.img', 'ids-100.img', 'inventory.img', 'mm-100.img', 'pagemap-100.img'],
  ...['pages-1.img', 'pipes-data.img', 'pstree.img', 'remap-fpath.img', 'seccomp.img'],
  'timens-0.img',
];

test('a deleted file with holes keeps them', () =>
  withTemp(async (dir) => {
    const images = new ImageSet(dir, { sync: false });
    writeFileSync(join(dir, 'ghost-1'), 'data, hole, data');
    images.adopt((name) => name === 'ghost-1');
    const entry = { uid: 0, gid: 0, mode: 0o100600, chunks: true, size: 16 };
    const chunks = [
      { offset: 0, length: 4 },
      { offset: 12, length: 4 },
    ];
    writeGhost(images, { id: 10, entry, content: 'ghost-1', chunks });
    assert.equal(readdirSync(dir), ['ghost-file-a.img']);
    const reader = await ImageReader.open(join(dir, 'ghost-file-a.img'), 'GHOST_FILE');
    const found = [];
    for await (const { message, value, payload } of reader) {
      if (message !== 'ghost_chunk_entry') continue;
      found.push([Number(value.off), (await reader.bytes(payload[0]!)).toString()]);
    }
    await reader.close();
    assert.equal(found, [
      [0, 'data'],
      [12, 'data'],
    ]);
  }));

/** Without cgroup.img, which depends on where the test runs. */
const imagesIn = (dir: string): string[] =>
  readdirSync(dir)
    .filter((name) => name !== 'cgroup.img')
    .sort();

test('a set has an image for everything, and the ghost has its content', () =>
  withTemp(async (dir) => {
    await take(dir, sample());
    assert.equal(imagesIn(dir), EXPECTED);
    assert.ok(readFileSync(join(dir, 'ghost-file-1.img')).toString().endsWith(CONTENT));
  }));

async function read<K extends 'PSTREE' | 'FDINFO'>(path: string, kind: K) {
  const reader = await ImageReader.open(path, kind);
  const entries = [];
  for await (const { value } of reader) entries.push(value);
  await reader.close();
  return entries;
}

test('the tree has its zombie, and descriptors have their files', () =>
  withTemp(async (dir) => {
    await take(dir, sample());
    const tree = await read(join(dir, 'pstree.img'), 'PSTREE');
    assert.equal(
      tree.map(({ pid, ppid, threads }) => [pid, ppid, threads]),
      [
        [PID, 0, [PID, 101]],
        [102, PID, [102]],
      ],
    );
    const table = await read(join(dir, 'fdinfo-2.img'), 'FDINFO');
    assert.equal(
      table.map(({ fd, id, type, flags }) => [fd, id, type, flags]),
      [
        [3, 3, 2, 1],
        [4, 4, 1, 1],
        [5, 5, 6, 1],
      ],
    );
  }));

test('what is refused leaves no inventory', () =>
  withTemp(async (dir) => {
    const frames = sample();
    frames.splice(-1, 0, file('other', { id: 9, link: 'anon_inode:inotify' }));
    await take(dir, frames).then(
      () => assert.unreachable('developed'),
      (error: CkptError) => assert.is(error.code, 'E_UNSUPPORTED_OBJECT'),
    );
    assert.is(readdirSync(dir).includes('inventory.img'), false);
  }));

test('facts that end early are an error', () =>
  withTemp(async (dir) => {
    await take(dir, sample().slice(0, -1)).then(
      () => assert.unreachable('developed'),
      (error: CkptError) => assert.is(error.code, 'E_PROTOCOL'),
    );
  }));

test("CRIU's own crit reads the images", () =>
  orSkip("CRIU's own crit reads the images", () =>
    withTemp(async (dir) => {
      const crit = findCrit();
      await take(dir, sample());
      for (const name of ['core-100.img', 'mm-100.img', 'files.img', 'ghost-file-1.img']) {
        const { stdout } = await execa(crit, ['decode', '-i', join(dir, name)]);
        assert.ok((JSON.parse(stdout) as { entries: unknown[] }).entries.length > 0, name);
      }
    }),
  ));

function findCrit(): string {
  try {
    return oracleProgram('4.2.1', 'crit');
  } catch (error) {
    throw new Skip((error as Error).message);
  }
}

test.run();
