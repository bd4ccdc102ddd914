// Images that are read: payloads by kind, and every way in which a file can be damaged.
import { execFileSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import { encode } from '../../src/images/encode.js';
import type { Kind } from '../../src/images/kinds.js';
import { ImageReader } from '../../src/images/read.js';
import { ImageWriter } from '../../src/images/write.js';
import { withTemp } from '../support/temp.js';

/** Messages of an image's entries, with their payloads as text. */
async function readAll(path: string, kind?: Kind): Promise<[string, ...string[]][]> {
  const reader = await ImageReader.open(path, kind);
  try {
    const entries: [string, ...string[]][] = [];
    for await (const { message, payload } of reader) {
      const runs = await Promise.all(payload.map((range) => reader.bytes(range)));
      entries.push([message, ...runs.map(String)]);
    }
    return entries;
  } finally {
    await reader.close();
  }
}

async function failure(path: string, kind?: Kind): Promise<string> {
  try {
    await readAll(path, kind);
  } catch (error) {
    if (error instanceof CkptError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'none';
}

const desc = { key: 0, uid: 0, gid: 0, cuid: 0, cgid: 0, mode: 0, id: 0 };
const bytes = (text: string): Buffer => Buffer.from(text);

test('payloads are found after their entries', () =>
  withTemp(async (dir) => {
    const make = <K extends Kind>(kind: K, fill: (image: ImageWriter<K>) => void): string => {
      const image = new ImageWriter(kind, join(dir, kind));
      fill(image);
      image.close();
      return image.file.path;
    };
    const cases: [Kind, string, [string, ...string[]][]][] = [
      [
        'PIPES_DATA',
        make('PIPES_DATA', (image) => {
          image.add({ pipe_id: 1, bytes: 3 }, bytes('abc'));
          image.add({ pipe_id: 2, bytes: 0 }, bytes(''));
          image.add({ pipe_id: 3, bytes: 1 }, bytes('d'));
        }),
        [
          ['pipe_data_entry', 'abc'],
          ['pipe_data_entry', ''],
          ['pipe_data_entry', 'd'],
        ],
      ],
      [
        'SK_QUEUES',
        make('SK_QUEUES', (image) => image.add({ id_for: 1, length: 2 }, bytes('hi'))),
        [['sk_packet_entry', 'hi']],
      ],
      [
        'TCP_STREAM',
        make('TCP_STREAM', (image) => {
          const rest = { inq_seq: 0, outq_seq: 0, opt_mask: 0, snd_wscale: 0, mss_clamp: 0 };
          image.add({ inq_len: 2, outq_len: 3, ...rest }, bytes('in'), bytes('out'));
        }),
        [['tcp_stream_entry', 'in', 'out']],
      ],
      [
        'IPCNS_MSG',
        make('IPCNS_MSG', (image) => {
          image.add({ desc, qbytes: 100, qnum: 2 });
          image.addMore({ mtype: 1, msize: 3 }, bytes('one'));
          image.addMore({ mtype: 2, msize: 8 }, bytes('two-long'));
          image.add({ desc, qbytes: 100, qnum: 0 });
        }),
        [['ipc_msg_entry'], ['ipc_msg', 'one'], ['ipc_msg', 'two-long'], ['ipc_msg_entry']],
      ],
      [
        'IPCNS_SHM',
        make('IPCNS_SHM', (image) => {
          image.add({ desc, size: 5 }, bytes('five.'));
          image.add({ desc, size: 4096, in_pagemaps: true });
        }),
        [['ipc_shm_entry', 'five.'], ['ipc_shm_entry']],
      ],
      [
        'GHOST_FILE',
        make('GHOST_FILE', (image) => {
          image.add({ uid: 0, gid: 0, mode: 0o100600 });
          image.addRaw(bytes('all the '));
          image.addRaw(bytes('rest'));
        }),
        [['ghost_file_entry', 'all the rest']],
      ],
    ];
    for (const [kind, path, expected] of cases) assert.equal(await readAll(path, kind), expected);
    const chunked = new ImageWriter('GHOST_FILE', join(dir, 'ghost-file-1f.img'));
    chunked.add({ uid: 0, gid: 0, mode: 0o100600, chunks: true, size: 8192 });
    chunked.addMore({ off: 0, len: 1 }, bytes('a'));
    chunked.addMore({ off: 4096, len: 2 }, bytes('bc'));
    chunked.close();
    const expected = [
      ['ghost_file_entry'],
      ['ghost_chunk_entry', 'a'],
      ['ghost_chunk_entry', 'bc'],
    ];
    assert.equal(await readAll(chunked.file.path), expected);
  }));

test('a file cut anywhere but between entries is torn, and the error says where', () =>
  withTemp(async (dir) => {
    const path = join(dir, 'pipes-data.img');
    const image = new ImageWriter('PIPES_DATA', path);
    const ends = [image.bytes];
    for (const data of ['abc', 'defgh']) {
      image.add({ pipe_id: 1, bytes: data.length }, bytes(data));
      ends.push(image.bytes);
    }
    image.close();
    for (let size = image.bytes; size > 0; size--) {
      truncateSync(path, size);
      const begin = ends.findLast((end) => end < size) ?? 0;
      const message = await failure(path);
      if (ends.includes(size)) assert.is(message, 'none');
      else assert.match(message, `E_IMAGE_TORN ${path}, entry at byte ${begin}: the file ends `);
    }
  }));

test('a file of another kind, of none, or no file', () =>
  withTemp(async (dir) => {
    const path = join(dir, 'fs-1.img');
    assert.is(await failure(path), `E_READ cannot read ${path}: no such file or directory`);
    const image = new ImageWriter('FS', path);
    image.add({ cwd_id: 1, root_id: 1 });
    image.close();
    const wrong = `E_IMAGE_MAGIC ${path}: its magic is 0x51403912, that of CORE is 0x55053847`;
    assert.is(await failure(path, 'CORE'), wrong);
    assert.match(
      await failure(path, 'INVENTORY'),
      /E_IMAGE_MAGIC .* is 0x54564319, that of INVENTORY/,
    );
    assert.match(await failure(path, 'PAGES'), /E_IMAGE_MAGIC .*: it has no entries/);
    assert.match(await failure(dir, 'FS'), /E_IMAGE_MAGIC .*: not a regular file/);
    const odd = join(dir, 'odd');
    execFileSync('mkfifo', [odd]);
    assert.match(await failure(odd, 'FS'), /E_IMAGE_MAGIC .*: not a regular file/);
    assert.match(await failure(odd), /E_IMAGE_MAGIC .*: no image has such a name/);
    // Version 1.0 of the format: its own magic alone.
    writeFileSync(path, readFileSync(path).subarray(4));
    assert.equal(await readAll(path), [['fs_entry']]);
  }));

test('an entry that is none is an error with its place; a huge one is not even read', () =>
  withTemp(async (dir) => {
    const path = join(dir, 'fs-1.img');
    const write = (...parts: string[]): void =>
      writeFileSync(path, Buffer.from(['1943565412394051', ...parts].join(''), 'hex'));
    const good = encode('fs_entry', { cwd_id: 1, root_id: 1 }).toString('hex');
    write('04000000', good, '02000000', '0801');
    const expected = `E_IMAGE_CORRUPT ${path}, entry at byte 16: not a fs_entry: fs_entry.root_id is missing`;
    assert.is(await failure(path), expected);
    write('ffffff7f', good);
    assert.match(await failure(path), /E_IMAGE_CORRUPT .* longer than any/);
    write('ffffff00', good);
    assert.match(await failure(path), /E_IMAGE_TORN/);
    const pipes = join(dir, 'pipes-data.img');
    writeFileSync(pipes, Buffer.from('19435654093745560800000008011' + '0ffffffff0f', 'hex'));
    assert.match(await failure(pipes), /E_IMAGE_TORN/);
  }));

test.run();
