// A tree that never stops forking: each dump has all of it, or ends with an error.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CkptError, dump } from '../../src/index.js';
import { ImageReader } from '../../src/images/read.js';
import { descendants } from '../support/proc.js';
import { Target } from '../support/target.js';
import { withTemp } from '../support/temp.js';

const MOVING = ['E_TARGET_CHANGED', 'E_TARGET_GONE'];

const ascending = (pids: number[]): string => pids.sort((a, b) => a - b).join(' ');

async function dumpedPids(images: string): Promise<number[]> {
  const reader = await ImageReader.open(join(images, 'pstree.img'), 'PSTREE');
  const pids: number[] = [];
  for await (const { value } of reader) pids.push(value.pid);
  await reader.close();
  return pids;
}

function goOn(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // a zombie that its parent, which goes on already, has waited for
  }
}

/** Dumps and leaves stopped, so that the tree can be compared with the images; lets it go on. */
async function freezeOnce(tree: number, imagesDir: string): Promise<string> {
  try {
    await dump({ tree, imagesDir, skipPages: 'all', leaveStopped: true });
  } catch (error) {
    if (!(error instanceof CkptError && MOVING.includes(error.code))) throw error;
    return error.code;
  }
  const living = [tree, ...descendants(tree)];
  try {
    const [want, got] = [ascending(living), ascending(await dumpedPids(imagesDir))];
    if (got !== want) throw new Error(`of the processes ${want} the dump has ${got}`);
    return 'whole';
  } finally {
    for (const pid of living) goOn(pid);
  }
}

/** Freezes a storm `times` times; throws where a dump is not whole, or the storm does not go on. */
export async function storm(times: number, say: (line: string) => void): Promise<void> {
  await withTemp(async (dir) => {
    const images = join(dir, 'images');
    mkdirSync(images);
    const target = await Target.start('storm', join(dir, 'state'));
    try {
      const ends: string[] = [];
      for (let i = 0; i < times; i++) {
        ends.push(await freezeOnce(target.pid, images));
        if (i % 10 === 9) await target.ask();
      }
      await target.ask();
      const kinds = [...new Set(ends)].map(
        (kind) => `${ends.filter((e) => e === kind).length} ${kind}`,
      );
      say(`a fork storm frozen ${times} times: ${kinds.join(', ')}`);
    } finally {
      await target.end();
    }
  });
}
