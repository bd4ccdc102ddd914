/**
 * Fills a set that lists pages without holding them: from a source, in place or into a copy; or
 * puts all its pages into a flat store. Until all pages are there, nothing of the set changes.
 */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { now } from '../../clock.js';
import { isOnDisk, makeStaging, writableFolder } from '../../dump/folders.js';
import type { Progress } from '../../dump/options.js';
import { publish } from '../../dump/publish.js';
import { startRun, type Run } from '../../dump/run.js';
import { CkptError } from '../../errors.js';
import { CHANGED_SINCE, PARENT } from '../../images/links.js';
import { PAGE_SIZE, PE_PARENT, PE_PRESENT } from '../../images/pagemap.js';
import { syncFile } from '../../images/set.js';
import { ImagesSource } from '../images.js';
import type { Manifest, ManifestRange } from '../manifest.js';
import { parseSource } from '../open.js';
import { readManifest } from '../read-manifest.js';
import { reliable } from '../retry.js';
import type { PageSource } from '../source.js';
import type { Plan } from './copy.js';
import { checkOptions, type FillOptions, type FillResult } from './options.js';
import { copyRest } from './rest.js';
import { freeIds, replace } from './replace.js';
import { rewrite } from './rewrite.js';
import { Store, writeStore } from './store.js';

interface Work {
  options: FillOptions;
  set: Manifest;
  plan: Plan;
  tell: (pages: number) => void;
}

/**
 * Fills a set. The result can be awaited, and iterated over for the progress. Throws CkptError;
 * then the set is as it was, and nothing is left of what was made.
 */
export function fill(options: FillOptions): Run<FillResult, Progress> {
  return startRun((tell) =>
    fillSet(options, (progress) => {
      options.onProgress?.(progress);
      tell(progress);
    }),
  );
}

async function fillSet(
  options: FillOptions,
  report: (progress: Progress) => void,
): Promise<FillResult> {
  const start = now();
  checkOptions(options);
  const { from } = options;
  const given = typeof from === 'string' ? parseSource(from) : from;
  const set = await readManifest(options.imagesDir);
  const [source, own] = [reliable(given), new ImagesSource(set.dir)];
  try {
    const pages = count(set, options);
    const [plan, total] = [planOf(options, source, own), pages.kept + pages.filled];
    if (pages.filled > 0) await source.open!(set);
    if (pages.kept > 0) await own.open(set);
    let done = 0;
    const tell = (more: number) => report({ phase: 'copy', done: (done += more), total });
    const { imagesDir, store } = await make({ options, set, plan, tell });
    const timeUs = Math.round((now() - start) * 1000);
    const bytes = total * PAGE_SIZE;
    return { imagesDir, from: given.name, ...(store && { store }), pages, bytes, timeUs };
  } catch (error) {
    throw options.signal?.aborted ? aborted(options.signal) : error;
  } finally {
    await source.close!();
    await own.close();
  }
}

function make(work: Work): Promise<{ imagesDir: string; store?: string }> {
  return work.options.store === undefined ? fillFolder(work) : fillStore(work, work.options.store);
}

/** What the set holds comes from itself, what it lacks from the source. */
function planOf({ only }: FillOptions, source: PageSource, own: PageSource): Plan {
  return (range) => {
    if (isHeld(range)) return own;
    return only === 'eager' && !range.eager ? undefined : source;
  };
}

function isHeld({ flags }: ManifestRange): boolean {
  return (flags & (PE_PRESENT | PE_PARENT)) !== 0;
}

function count({ owners, pages: listed }: Manifest, { only }: FillOptions): FillResult['pages'] {
  const pages = { listed, kept: 0, filled: 0, late: 0 };
  for (const range of owners.flatMap(({ ranges }) => ranges)) {
    if (isHeld(range)) pages.kept += range.count;
    else if (only === 'eager' && !range.eager) pages.late += range.count;
    else pages.filled += range.count;
  }
  return pages;
}

async function fillStore({ options, set, plan, tell }: Work, path: string) {
  const store = new Store(path);
  try {
    await writeStore({ store, set, plan, tell, signal: options.signal });
    store.finish();
  } finally {
    store.close();
  }
  return { imagesDir: set.dir, store: store.path };
}

async function fillFolder({ options, set, plan, tell }: Work): Promise<{ imagesDir: string }> {
  const { out = set.dir, signal } = options;
  const target = writableFolder('E_IMAGES_DIR', options.out ? '--out' : '--images-dir', out);
  const staging = makeStaging(target);
  const isInPlace = target === set.dir;
  try {
    const names = isInPlace ? [] : copyRest(set.dir, staging);
    names.push(...(await rewrite({ set, plan, dir: staging, ids: freeIds(target), tell, signal })));
    if (isOnDisk(staging)) for (const name of names) await syncFile(join(staging, name));
    signal?.throwIfAborted();
    if (isInPlace) {
      replace(staging, target, names);
      unlinkParents(target);
    } else {
      publish(staging, target, names);
    }
    return { imagesDir: target };
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** All pages are listed as the set's own now. */
function unlinkParents(dir: string): void {
  for (const link of [PARENT, CHANGED_SINCE]) rmSync(join(dir, link), { force: true });
}

function aborted({ reason }: AbortSignal): CkptError {
  if (reason instanceof CkptError) return reason;
  return new CkptError('E_ABORTED', 'filling was aborted', {}, { cause: reason });
}
