// CRIU's own crit reads what we write, of every kind of image, and sees the same values.
import { join } from 'node:path';
import { execa } from 'execa';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Kind, kind as describe, kinds } from '../../src/images/kinds.js';
import { type Run, payloadOf } from '../../src/images/payload.js';
import { type Field, type MessageName, messageOf } from '../../src/images/schema.js';
import { ImageWriter } from '../../src/images/write.js';
import { oracleProgram } from '../support/paths.js';
import { withTemp } from '../support/temp.js';
import { sample } from './sample.js';

/** Crit 4.2.1 has no handler for these. */
const UNKNOWN_TO_CRIT: Kind[] = ['BINFMT_MISC_OLD', 'BINFMT_MISC', 'SIGNAL', 'PSIGNAL', 'PIDFD'];
const ROUNDS = 6;
/** Crits that run beside each other. */
const AT_ONCE = 4;
const entryKinds = (Object.keys(kinds) as Kind[]).filter(
  (kind) => describe(kind).entry && !UNKNOWN_TO_CRIT.includes(kind),
);

/** A value as crit prints it, with numbers as strings: JSON.parse would round the large ones. */
function asCrit(message: MessageName, value: Record<string, unknown>): Record<string, unknown> {
  const present = messageOf(message).fields.filter(
    ({ name, rule }) => name in value && !(rule === 'repeated' && (value[name] as []).length === 0),
  );
  return Object.fromEntries(
    present.map((field) => {
      const given = value[field.name];
      const shown = (item: unknown): unknown => fieldAsCrit(field, item);
      return [field.name, Array.isArray(given) ? given.map(shown) : shown(given)];
    }),
  );
}

function fieldAsCrit({ message, values, display, type }: Field, value: unknown): unknown {
  if (message) return asCrit(message, value as Record<string, unknown>);
  if (values) return Object.entries(values).find(([, number]) => number === value)![0];
  if (type === 'bytes') return display.conv ? quoted(value as Buffer) : base64(value as Buffer);
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : value;
}

/** As Python's base64.encodebytes. */
function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('base64')
    .replace(/.{1,76}/g, '$&\n');
}

/** As Python's quopri.encodestring, for short strings. */
function quoted(bytes: Uint8Array): string {
  const hex = (byte: number): string => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return Array.from(bytes, (b) => (b > 32 && b < 127 ? String.fromCharCode(b) : hex(b))).join('');
}

async function decodeByCrit(path: string): Promise<{ magic: string; entries: unknown[] }> {
  const { stdout } = await execa(oracleProgram('4.2.1', 'crit'), ['decode', '-i', path]);
  return JSON.parse(stdout.replace(/([[\s:])(-?\d+)(?=[\s,\]}])/g, '$1"$2"'));
}

/** Lengths of payloads are ours to choose: small ones, of the shapes that crit can read. */
function withSmallPayload(message: MessageName, round: number): Record<string, unknown> {
  const lengths = ['bytes', 'length', 'inq_len', 'outq_len', 'keys_bytes', 'values_bytes', 'nsems'];
  const value = sample(message, round);
  if (payloadOf(message, value).length === 0 && message !== 'ipc_shm_entry') return value;
  for (const name of [...lengths, 'size']) if (name in value) value[name] = round + 1;
  if (message === 'ipc_shm_entry') value.in_pagemaps = false;
  return value;
}

const filled = ({ length }: Run): Buffer => Buffer.alloc(length, 'payload');

/** What crit says of the bytes that follow an entry. */
function extraOf(message: MessageName, runs: Run[]): object {
  if (runs.length === 0) return {};
  const data = runs.map(filled);
  if (message === 'ipc_sem_entry')
    return { extra: Array.from(new Uint16Array(copy(data[0]!)), String) };
  if (message !== 'tcp_stream_entry') return { extra: base64(Buffer.concat(data)) };
  return { extra: { inq: base64(data[0]!), outq: base64(data[1]!) } };
}

function copy(bytes: Buffer): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}

/** Runs a test that needs crit. */
function critTest(name: string, body: () => Promise<void>): void {
  test(name, async () => {
    try {
      oracleProgram('4.2.1', 'crit');
    } catch (error) {
      return console.log(`SKIP ${name}: ${(error as Error).message}`);
    }
    await body();
  });
}

const plainKinds = entryKinds.filter((kind) => !describe(kind).more);

/** Writes an image of a kind, with every field at every edge, and compares it with what crit reads. */
async function compare(kind: Kind, dir: string): Promise<void> {
  const image = new ImageWriter(kind, join(dir, kind));
  const message = describe(kind).entry!;
  const expected: object[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const value = withSmallPayload(message, round);
    const runs = payloadOf(message, value);
    image.add(value as never, ...runs.map(filled));
    expected.push({ ...asCrit(message, value), ...extraOf(message, runs) });
  }
  image.close();
  const { magic, entries } = await decodeByCrit(image.file.path);
  assert.is(magic, kind);
  assert.equal(entries, expected, kind);
}

critTest(`crit reads every field of ${plainKinds.length} kinds of image`, () =>
  withTemp(async (dir) => {
    for (let i = 0; i < plainKinds.length; i += AT_ONCE) {
      await Promise.all(plainKinds.slice(i, i + AT_ONCE).map((kind) => compare(kind, dir)));
    }
  }),
);

critTest('crit reads pagemaps, ghost files and message queues', () =>
  withTemp(async (dir) => {
    const pagemap = new ImageWriter('SHMEM_PAGEMAP', join(dir, 'pagemap'));
    const ghost = new ImageWriter('GHOST_FILE', join(dir, 'ghost'));
    const queues = new ImageWriter('IPCNS_MSG', join(dir, 'msg'));
    const chunk = Buffer.from('chunk');
    const run = sample('pagemap_entry', 0);
    const file = { ...sample('ghost_file_entry', 0), chunks: true };
    const queue = { ...sample('ipc_msg_entry', 0), qnum: 1 };
    pagemap.add({ pages_id: 7 });
    pagemap.addMore(run as never);
    ghost.add(file as never);
    ghost.addMore({ off: '0xfffffffffffffff0', len: 5 }, chunk);
    queues.add(queue as never);
    queues.addMore({ mtype: 2n ** 64n - 1n, msize: 5 }, chunk);
    for (const image of [pagemap, ghost, queues]) image.close();

    const content = async (name: string): Promise<unknown> =>
      (await decodeByCrit(join(dir, name))).entries;
    assert.equal(await content('pagemap'), [{ pages_id: '7' }, asCrit('pagemap_entry', run)]);
    assert.equal(await content('ghost'), [
      asCrit('ghost_file_entry', file),
      { len: '5', off: `${2n ** 64n - 16n}`, extra: base64(chunk) },
    ]);
    const message = { mtype: `${2n ** 64n - 1n}`, msize: '5' };
    const extra = [message, base64(chunk)];
    assert.equal(await content('msg'), [{ ...asCrit('ipc_msg_entry', queue), extra }]);
  }),
);

test.run();
