/**
 * `--page-store`: a full dump whose pages go into a flat store, while the set comes to be as one
 * that was dumped without them. The target is not held for it any longer than for a full dump's
 * images.
 */

import { mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { attempt } from '../images/file.js';
import { parseName } from '../images/names.js';
import { type ImageFile, syncFile } from '../images/set.js';
import { rewrite } from '../pages/fill/rewrite.js';
import { type Store, writeStore } from '../pages/fill/store.js';
import { ImagesSource } from '../pages/images.js';
import type { ManifestRange } from '../pages/manifest.js';
import { readManifest } from '../pages/read-manifest.js';
import { isOnDisk } from './folders.js';
import type { DumpOptions, Progress } from './options.js';

/**
 * Moves the pages of the set in `staging`, which nobody else sees yet, into `store`; of those that
 * cannot come late, `skipPages: 'lazy'` leaves the set a copy. Gives the files of the set.
 */
export async function moveToStore(
  staging: string,
  store: Store,
  { skipPages }: DumpOptions,
  { report, signal }: { report: (progress: Progress) => void; signal: AbortSignal },
): Promise<ImageFile[]> {
  const set = await readManifest(staging);
  const own = new ImagesSource(staging);
  const bare = join(staging, 'bare');
  attempt('make', bare, () => mkdirSync(bare, 0o700));
  try {
    await own.open(set);
    let done = 0;
    const { pages: total } = set;
    const tell = (more: number) => report({ phase: 'write', done: (done += more), total });
    await writeStore({ store, set, plan: () => own, tell, signal });
    const [plan, ids] = skipPages === 'lazy' ? [eagerFrom(own), numbers()] : [() => undefined];
    await rewrite({ set, plan, dir: bare, tell: () => {}, signal, ...(ids && { ids }) });
  } finally {
    await own.close();
  }
  for (const name of readdirSync(staging)) {
    if (parseName(name)?.kind === 'PAGES') rmSync(join(staging, name));
  }
  for (const name of readdirSync(bare)) renameSync(join(bare, name), join(staging, name));
  rmdirSync(bare);
  return filesOf(staging);
}

function eagerFrom(own: ImagesSource) {
  return (range: ManifestRange) => (range.eager ? own : undefined);
}

function* numbers(): Generator<number, never> {
  for (let id = 1; ; id++) yield id;
}

/** All files of a folder, made durable. */
async function filesOf(dir: string): Promise<ImageFile[]> {
  const names = readdirSync(dir);
  if (isOnDisk(dir)) for (const name of names) await syncFile(join(dir, name));
  return names.map((name) => ({ name, size: statSync(join(dir, name)).size }));
}
