// A target and a folder for its images, for tests of whole dumps.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { orSkip } from '../support/skip.js';
import { Target, type Program } from '../support/target.js';
import { withTemp } from '../support/temp.js';

export interface Scene {
  dir: string;
  /** An empty folder. */
  images: string;
  target: Target;
}

/** Plays with a fixture that runs; needs root, and may throw Skip. */
export function withTarget(
  name: string,
  play: (scene: Scene) => Promise<void>,
  fixture: string | Program = 'threads',
  args = ['4'],
): Promise<void> {
  return orSkip(name, () =>
    withTemp(async (dir) => {
      const images = join(dir, 'images');
      mkdirSync(images);
      const target = await Target.start(fixture, join(dir, 'state'), args);
      try {
        await play({ dir, images, target });
      } finally {
        await target.end();
      }
    }),
  );
}

/** The value of a line of /proc/PID/status. */
export function status(pid: number, name: string): string {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  return new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(text)![1]!;
}

/** Writes an action script; the stage is in $CRTOOLS_SCRIPT_ACTION. */
export function script(dir: string, text: string): string {
  const path = join(dir, 'script');
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}
