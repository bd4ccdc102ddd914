/**
 * Restores a set with stock criu. Where the set lacks pages, or they are to come from elsewhere,
 * those that have to be there are filled in first, in a copy of the set, and the others are served
 * while the restored tree runs.
 */

import { rmSync } from 'node:fs';
import { now } from '../clock.js';
import { findFolders, makeStaging } from '../dump/folders.js';
import { CkptError } from '../errors.js';
import { PE_PARENT, PE_PRESENT } from '../images/pagemap.js';
import { fill } from '../pages/fill/fill.js';
import type { FillResult } from '../pages/fill/options.js';
import type { Manifest } from '../pages/manifest.js';
import { readManifest } from '../pages/read-manifest.js';
import type { ServeResult } from '../serve/options.js';
import { serve } from '../serve/serve.js';
import { runCriu } from './criu.js';
import type { RestoreOptions, RestoreResult } from './options.js';

const LAZY = '--lazy-pages';

/** Throws CkptError where criu could not be brought to try; how that ended is in the result. */
export async function restore(options: RestoreOptions): Promise<RestoreResult> {
  const start = now();
  const { imagesDir, args = [] } = options;
  if (!imagesDir) throw new CkptError('E_USAGE', '--images-dir DIR is missing: what to restore?');
  const set = await readManifest(imagesDir);
  const from = options.from ?? (args.includes(LAZY) ? `images:${set.dir}` : undefined);
  const missing = countMissing(set);
  const done = from === undefined ? await plainly(options, set, missing) : await lazily();
  return { imagesDir: set.dir, ...done, timeUs: Math.round((now() - start) * 1000) };

  async function lazily(): Promise<Omit<RestoreResult, 'imagesDir' | 'timeUs'>> {
    // What has not changed is marked in a way that criu takes for something else.
    const isRewritten = missing.eager > 0 || set.changedSince !== undefined;
    const staging = isRewritten ? makeStaging(set.dir) : undefined;
    try {
      const filled = staging && (await fillEager(set.dir, from!, staging, options));
      const served = await serveTo(options, set.dir, staging ?? set.dir, from!);
      return { ...served, ...(filled && { filled }) };
    } finally {
      if (staging) rmSync(staging, { recursive: true, force: true });
    }
  }
}

/** Pages that the set lists without holding them. */
function countMissing({ owners }: Manifest): { eager: number; late: number } {
  const missing = { eager: 0, late: 0 };
  for (const { flags, eager, count } of owners.flatMap(({ ranges }) => ranges)) {
    if (!(flags & (PE_PRESENT | PE_PARENT))) missing[eager ? 'eager' : 'late'] += count;
  }
  return missing;
}

async function plainly(
  options: RestoreOptions,
  { dir }: Manifest,
  { eager, late }: { eager: number; late: number },
): Promise<{ code: number }> {
  if (eager + late > 0) {
    const message = `${dir} lacks ${eager + late} of the pages that it lists`;
    const remedy = 'name who has them with --from SOURCE';
    throw new CkptError('E_PAGE_SOURCE', message, { path: dir, remedy });
  }
  return { code: await criu(options, dir, options.workDir ?? dir, []) };
}

async function fillEager(
  imagesDir: string,
  from: string,
  out: string,
  { signal }: RestoreOptions,
): Promise<FillResult['pages']> {
  const { pages } = await fill({ imagesDir, from, out, only: 'eager', ...(signal && { signal }) });
  return pages;
}

/** Has criu restore the set in `images`, whose late pages are served meanwhile, and after that. */
async function serveTo(
  options: RestoreOptions,
  setDir: string,
  images: string,
  from: string,
): Promise<{ code: number; served: ServeResult }> {
  const workDir = findFolders(setDir, options.workDir).work;
  const stop = new AbortController();
  options.signal?.addEventListener('abort', () => stop.abort());
  let serving: Promise<ServeResult>;
  const listening = new Promise<void>((resolve, reject) => {
    const onListening = (socket: string): void => {
      options.onListening?.(socket);
      resolve();
    };
    serving = serve({
      ...options,
      imagesDir: images,
      from,
      workDir,
      signal: stop.signal,
      onListening,
    });
    serving.catch(reject);
  });
  try {
    await listening;
    const code = await criu(options, images, workDir, [LAZY]);
    if (code !== 0) stop.abort(); // nobody will come any more
    return { code, served: await serving! };
  } catch (error) {
    stop.abort();
    await serving!.catch(() => {});
    throw error;
  }
}

function criu(
  { criu = 'criu', args = [], signal, quiet }: RestoreOptions,
  images: string,
  workDir: string,
  more: string[],
): Promise<number> {
  const given = args.filter((word) => word !== LAZY);
  const own = ['restore', '-D', images, '-W', workDir, ...more];
  return runCriu(criu, [...own, ...given], { signal, quiet });
}
