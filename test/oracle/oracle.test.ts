// The judge itself: a criu that cannot bring back its own images would prove nothing of ours.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { oracleProgram, type CriuVersion } from '../support/paths.js';
import { orSkip } from '../support/skip.js';

/** Dumps a `sleep` with one criu into a folder that is removed again; gives its pid and the folder. */
async function withDump(
  version: CriuVersion,
  use: (pid: number, images: string) => Promise<void>,
): Promise<void> {
  const images = await mkdtemp(join(tmpdir(), 'ckpt-oracle-'));
  // Detached: a session leader, without a terminal, as criu wants a tree's root to be.
  const target = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
  const gone = once(target, 'exit');
  try {
    const pid = target.pid!;
    await execa(oracleProgram(version, 'criu'), ['dump', '-t', `${pid}`, '-D', images]);
    await gone;
    await use(pid, images);
  } finally {
    target.kill('SIGKILL');
    await rm(images, { recursive: true });
  }
}

/** Restores in a pid namespace that ends with the command; the name of the task under that pid. */
async function restoredName(version: CriuVersion, pid: number, images: string): Promise<string> {
  const script = '"$0" restore -d -D "$1" && cat /proc/"$2"/comm';
  const criu = oracleProgram(version, 'criu');
  const namespace = ['--pid', '--fork', '--kill-child', '--mount-proc'];
  const args = [...namespace, 'sh', '-c', script, criu, images, `${pid}`];
  return (await execa('unshare', args)).stdout;
}

// 4.1.1 cannot read what 4.2.1 writes: the number of pages moved to another field.
for (const [by, from] of [
  ['4.2.1', '4.2.1'],
  ['4.1.1', '4.1.1'],
  ['4.2.1', '4.1.1'],
] as const) {
  const name = `criu ${by} restores what ${from} dumped`;
  const restores = (): Promise<void> =>
    withDump(from, async (pid, images) => {
      assert.is(await restoredName(by, pid, images), 'sleep');
    });
  test(name, () => orSkip(name, restores));
}

const name = 'crit decodes an image of its own criu';
const decodes = (): Promise<void> =>
  withDump('4.2.1', async (pid, images) => {
    const decode = ['decode', '-i', join(images, 'pstree.img')];
    const { stdout } = await execa(oracleProgram('4.2.1', 'crit'), decode);
    assert.is(JSON.parse(stdout).entries[0].pid, pid);
  });
test(name, () => orSkip(name, decodes));

test.run();
