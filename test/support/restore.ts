// Restoring with Debian's CRIU: beside a living original in fresh namespaces, or in its place.
import { join } from 'node:path';
import { keep } from './keeper.js';
import { errorsOf } from './dump.js';
import { oracleProgram, type CriuVersion } from './paths.js';
import type { Target } from './target.js';
import { until } from './until.js';

export interface RestoreOptions {
  version?: CriuVersion | undefined;
  /**
   * The copy's own state folder, seen in fresh namespaces in the place of the original's.
   * Without it the copy comes up in our namespaces, under the original's pids, which must be free.
   */
  state?: string;
  tty?: boolean;
  args?: string[];
}

/** Restores `images`, dumped from `original`; throws with CRIU's errors where that fails. */
export async function restore(
  images: string,
  original: Target,
  { version = '4.2.1', state, tty = false, args = [] }: RestoreOptions = {},
): Promise<Target> {
  const criu = [oracleProgram(version, 'criu'), 'restore', '-d', '-D', images];
  const keeper = await keep([...criu, '-o', 'restore.log', '-v4', ...args], {
    tty,
    ...(state !== undefined && { fresh: { source: state, target: original.state } }),
  });
  const code = await until('end of criu restore', () => keeper.ended.get(keeper.started), 60_000);
  if (code === 0) return original.restored(keeper, state ?? original.state);
  await keeper.end();
  throw new Error(`criu ${version} restore: ${code}\n${errorsOf(join(images, 'restore.log'))}`);
}
