// Pipelines of four processes with data in their pipes: at the end no byte is lost or doubled,
// whether they were let run on or killed and restored.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dumper, mustDump } from '../../support/dump.js';
import { restore } from '../../support/restore.js';
import { orSkip } from '../../support/skip.js';
import { Target, type Program } from '../../support/target.js';
import { withTemp } from '../../support/temp.js';
import { until } from '../../support/until.js';

/** The third stage waits for STATE/go, so that the pipes before it are full to the brim. */
const FULL = `
  echo 60000 >"$0/count"
  seq 1 60000 |
  sed 's/$/ of many/' |
  while read -r line; do
    echo "$line"
    case $line in "30000 "*)
      touch "$0/ready"
      until [ -e "$0/go" ]; do sleep 0.01; done
    esac
  done |
  sha256sum >"$0/sum"`;

/** All stages run until STATE/go ends the first. */
const FLOWING = `
  {
    n=0
    until [ -e "$0/go" ]; do n=$((n + 1)); echo $n; done
    echo $n >"$0/count"
  } |
  sed -u 's/$/ of many/' |
  while read -r line; do echo "$line"; done |
  { touch "$0/ready"; sha256sum >"$0/sum"; }`;

const pipeline = (script: string): Program => ({
  name: 'pipeline',
  command: (state) => ['sh', '-c', script, state],
});

const read = (target: Target, file: string): string => {
  const path = join(target.state, file);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
};

/** Lets it come to its end, and compares the sum of what came through with that of what went in. */
async function finish(target: Target): Promise<void> {
  writeFileSync(join(target.state, 'go'), '');
  const what = `the end of the ${target.phase} pipeline`;
  const sum = await until(what, () => read(target, 'sum').trim() || false, 20_000);
  const count = Number(read(target, 'count').trim().split('\n').at(-1));
  assert.ok(count > 1000, `${count} lines went in`);
  const lines = Array.from({ length: count }, (_, i) => `${i + 1} of many\n`).join('');
  assert.is(sum, `${createHash('sha256').update(lines).digest('hex')}  -`, what);
}

async function finishCopy(copy: Target): Promise<void> {
  try {
    await finish(copy);
  } finally {
    await copy.end();
  }
}

/** Dumped and left running some times: the last copy and the original both come to their ends. */
async function beside(original: Target, dir: string, dumps: number): Promise<void> {
  const [images, state] = [join(dir, 'images'), join(dir, 'copy')];
  for (let i = 1; i < dumps; i++) {
    await mustDump(dumper, original.pid, `${images}-${i}`, { leaveRunning: true });
  }
  await mustDump(dumper, original.pid, images, { leaveRunning: true });
  await execa('cp', ['-a', original.state, state]);
  await finishCopy(await restore(images, original, { state }));
  await finish(original);
}

/** Killed by the dump, and finished by the copy. */
async function replace(original: Target, dir: string): Promise<void> {
  const images = join(dir, 'images');
  await mustDump(dumper, original.pid, images);
  await original.gone();
  await finishCopy(await restore(images, original));
}

const ways: [string, string, (original: Target, dir: string) => Promise<void>][] = [
  ['full pipes, and a copy beside them', FULL, (original, dir) => beside(original, dir, 1)],
  ['full pipes, killed and restored', FULL, replace],
  ['flowing, five dumps and a copy', FLOWING, (original, dir) => beside(original, dir, 5)],
  ['flowing, killed and restored', FLOWING, replace],
];
for (const [name, script, way] of ways) {
  const cycle = (): Promise<void> =>
    withTemp(async (dir) => {
      const original = await Target.start(pipeline(script), join(dir, 'state'));
      try {
        await way(original, dir);
      } finally {
        await original.end();
      }
    });
  test(`a pipeline of four, ${name}`, () => orSkip('pipeline', cycle));
}

test.run();
