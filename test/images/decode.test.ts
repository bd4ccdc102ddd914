// Bytes that no encoder of ours wrote: each is read as the format says, or refused by a typed error.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import { decode } from '../../src/images/decode.js';
import { encode } from '../../src/images/encode.js';
import type { MessageName } from '../../src/images/schema.js';
import { messageNames, plain, sample } from './sample.js';

function refusal(name: MessageName, hex: string): string {
  try {
    decode(name, Buffer.from(hex, 'hex'));
  } catch (error) {
    if (error instanceof CkptError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'none';
}

test('numbers of a repeated field are read with a tag for each and in one run', () => {
  const root = { pid: 1, ppid: 0, pgid: 1, sid: 1, threads: [1, 300] };
  const head = '0801100018012001';
  for (const threads of ['280128ac02', '2a0301ac02', '28012a02ac02']) {
    assert.equal(plain(decode('pstree_entry', Buffer.from(head + threads, 'hex'))), root);
  }
});

test('unknown fields are skipped, absent ones are absent', () => {
  const read = decode('fs_entry', Buffer.from('08011002' + 'f8063c' + 'fa06024142', 'hex'));
  assert.equal(Object.keys(read), ['cwd_id', 'root_id']);
});

test('what is cut short, lacks a field or is nested without end is refused', () => {
  assert.match(refusal('pstree_entry', '08011801'), /E_IMAGE_CORRUPT not a pstree_entry: .*ppid/);
  assert.match(refusal('pstree_entry', '0801100018012a0501'), /E_IMAGE_CORRUPT/);
  assert.match(refusal('cgroup_dir_entry', '0a0161120a'), /E_IMAGE_CORRUPT/);
  assert.match(refusal('fs_entry', '0801ffffffffffffffffffff01'), /E_IMAGE_CORRUPT/);
  let nested = Buffer.from('0a00', 'hex');
  for (let i = 0; i < 200; i++) {
    const length = Buffer.from(
      encode('fs_entry', { cwd_id: nested.length, root_id: 0 }).subarray(1, -2),
    );
    nested = Buffer.concat([Buffer.from('0a0012', 'hex'), length, nested]);
  }
  assert.match(refusal('cgroup_dir_entry', nested.toString('hex')), /nested too deep/);
});

test('no prefix of a message and no flipped bit does anything but decode or be refused', () => {
  for (const name of messageNames) {
    const bytes = encode(name, sample(name, 1) as never);
    const step = Math.ceil(bytes.length / 200);
    for (let i = 0; i < bytes.length; i += step) {
      const flipped = Buffer.from(bytes);
      flipped[i]! ^= 1 << (i % 8);
      for (const hex of [bytes.subarray(0, i).toString('hex'), flipped.toString('hex')]) {
        assert.match(refusal(name, hex), /^(none|E_IMAGE_CORRUPT )/);
      }
    }
  }
});

test.run();
