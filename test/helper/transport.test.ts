import { PassThrough, Readable } from 'node:stream';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import { readFrames, writeFrame } from '../../src/helper/transport.js';

async function encode(...frames: object[]): Promise<Buffer> {
  const stream = new PassThrough();
  const chunks = stream.toArray();
  for (const frame of frames) await writeFrame(stream, frame);
  stream.end();
  return Buffer.concat(await chunks);
}

function inPieces(bytes: Buffer, size: number): Readable {
  const pieces = [];
  for (let i = 0; i < bytes.length; i += size) pieces.push(bytes.subarray(i, i + size));
  return Readable.from(pieces);
}

async function decode(bytes: Buffer, size = bytes.length, limit?: number): Promise<object[]> {
  const frames = [];
  for await (const frame of readFrames(inPieces(bytes, size), limit)) frames.push(frame);
  return frames;
}

async function refusal(bytes: Buffer, limit?: number): Promise<CkptError> {
  try {
    await decode(bytes, bytes.length, limit);
  } catch (error) {
    assert.instance(error, CkptError);
    return error as CkptError;
  }
  throw new Error('accepted');
}

function raw(length: number, body: string): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32LE(length);
  return Buffer.concat([header, Buffer.from(body)]);
}

test('a frame is its length in little-endian, then JSON', async () => {
  assert.equal([...(await encode({ op: 'é' }))], [11, 0, 0, 0, ...Buffer.from('{"op":"é"}')]);
});

test('frames come back whole, however the stream was cut', async () => {
  const frames = [{ t: 'a' }, { t: 'ü'.repeat(500), runs: [1, 2, 3] }, { t: 'c' }];
  const bytes = await encode(...frames);
  for (const size of [1, 2, 3, 5, 7, 64, 1000, bytes.length]) {
    assert.equal(await decode(bytes, size), frames, `pieces of ${size}`);
  }
});

test('a frame of many megabytes takes time in proportion', async () => {
  const frame = { t: 'x'.repeat(15 * 1024 * 1024) };
  const bytes = await encode(frame);
  const start = performance.now();
  assert.equal((await decode(bytes, 65536)).length, 1);
  assert.ok(performance.now() - start < 2000);
});

test('a frame over the limit is refused from its length alone, and never sent', async () => {
  assert.match((await refusal(raw(0xffffffff, ''))).message, '4294967295 bytes is over the limit');
  assert.match((await refusal(await encode({ t: 'abc' }), 8)).message, 'limit of 8');
  assert.throws(() => writeFrame(new PassThrough(), { t: 'abc' }, 8), /over the limit/);
});

test('a torn frame, and what is no JSON object, is an error', async () => {
  const whole = await encode({ t: 'a' });
  assert.match((await refusal(whole.subarray(0, 3))).message, 'cut off after 3 bytes');
  assert.match((await refusal(whole.subarray(0, -1))).message, 'cut off');
  for (const body of ['{', '', 'null', '[1]', '"x"', '1']) {
    const error = await refusal(raw(body.length, body));
    assert.is(error.code, 'E_PROTOCOL', body);
  }
});

test.run();
