// A copy beside a living original, which proves itself and is gone.
import { rm } from 'node:fs/promises';
import { execa } from 'execa';
import { descendants } from '../support/proc.js';
import { restore } from '../support/restore.js';
import type { Target } from '../support/target.js';

/** Lets a tree go on that is stopped; who runs already is not disturbed. */
export function goOn(root: number): void {
  for (const pid of [root, ...descendants(root)]) {
    try {
      process.kill(pid, 'SIGCONT');
    } catch {
      // it has ended meanwhile
    }
  }
}

/**
 * Restores a set with stock criu, in fresh namespaces, with a copy of the original's state folder at
 * `state`; has the copy look at its memory twice, between which it goes on; throws at its first fault.
 */
export async function proveCopy(original: Target, images: string, state: string): Promise<void> {
  await execa('cp', ['-a', original.state, state]);
  const copy = await restore(images, original, { state });
  try {
    goOn(copy.pid);
    const first = await copy.ask(30_000);
    if ((await copy.ask(30_000)) <= first) throw new Error('the copy does not go on');
  } finally {
    await copy.end();
    await rm(state, { recursive: true });
  }
}
