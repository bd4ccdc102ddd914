// CRIU's own crit, of both generations, reads an image of every kind that ckpt writes.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseName } from '../../src/images/names.js';
import { mustDump } from '../support/dump.js';
import { oracleProgram, type CriuVersion } from '../support/paths.js';
import { orSkip } from '../support/skip.js';
import { Target } from '../support/target.js';
import { withTemp } from '../support/temp.js';

/** Fixtures that have something of everything between them, and the options that they need. */
const FIXTURES: [name: string, options?: string[]][] = [
  ['family'],
  ['sharedmem'],
  ['ghosts'],
  ['pipes'],
  ['fifos'],
  ['eventfds'],
  ['epolls'],
  ['timerfds'],
  ['signalfds'],
  ['memfds'],
  ['unixpairs'],
  ['tcplisteners'],
  ['ptys'],
  ['locks', ['--file-locks']],
];

/** Those that are bytes, and no entries. */
const RAW = ['PAGES'];

async function mustBeRead(path: string, version: CriuVersion): Promise<void> {
  const words = ['decode', '-i', path];
  const { stdout } = await execa(oracleProgram(version, 'crit'), words);
  const { entries } = JSON.parse(stdout) as { entries: unknown[] };
  assert.ok(entries.length > 0, path);
}

/** Dumps a fixture, and has crit read what is of a kind not in `seen`. */
async function readNewKinds(dir: string, index: number, seen: Set<string>): Promise<void> {
  const [name, args = []] = FIXTURES[index]!;
  const images = join(dir, 'images');
  const target = await Target.start(name, join(dir, 'state'));
  try {
    await mustDump('ckpt', target.pid, images, { leaveRunning: true, args });
  } finally {
    await target.end();
  }
  for (const file of readdirSync(images)) {
    const kind = parseName(file)?.kind;
    if (kind === undefined || RAW.includes(kind) || seen.has(kind)) continue;
    if (kind !== 'FILES') seen.add(kind); // which has entries of many kinds
    const path = join(images, file);
    await Promise.all([mustBeRead(path, '4.2.1'), mustBeRead(path, '4.1.1')]);
  }
}

test('crit reads every kind of image that is written', () =>
  orSkip('crit', async () => {
    const seen = new Set<string>();
    for (const index of FIXTURES.keys()) {
      await withTemp((dir) => readNewKinds(dir, index, seen));
    }
    assert.ok(seen.size >= 20, [...seen].sort().join(' '));
  }));

test.run();
