/**
 * Takes out of the parents of a set what the set replaces, by holes in their pages images: CRIU's
 * `criu dedup`. The set, and those that build on it, stay as they are; the parents can be restored
 * by themselves no more.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { HelperClient } from '../helper/client.js';
import { findHelper } from '../helper/find.js';
import { startHelper } from '../helper/start.js';
import { CkptError } from '../errors.js';
import { fileName } from '../images/names.js';
import { listOwners } from '../pages/folder.js';
import { findGenerations } from '../pages/generations.js';
import { refuseOtherChildren } from './children.js';
import { findReplaced, type Replaced } from './replaced.js';

/** Pairs of numbers in a request: a few MiB of JSON. */
const PAIRS = 64 * 1024;

export interface DedupOptions {
  /** The set whose parents are to shrink. */
  imagesDir: string;
  /** Stops it between two files: the set is unharmed at every moment. */
  signal?: AbortSignal;
}

export interface DedupSummary {
  /** Absolute. */
  imagesDir: string;
  /** The sets before it, absolute, the youngest first. */
  parents: string[];
  /** Pages in them that were replaced, some of which may have been punched before. */
  pages: number;
  /** Bytes of the disk that they take less. */
  freed: number;
  /** Those of them that could be restored by themselves until now. */
  spent: string[];
  warnings: string[];
}

/**
 * Punches holes. Throws CkptError E_IMAGES_DIR where there is no checkpoint, or a parent is missing or
 * another set's too; E_WRITE where the file system knows no holes; and as readPagemap does.
 */
export async function dedup({ imagesDir, signal }: DedupOptions): Promise<DedupSummary> {
  if (!imagesDir) throw new CkptError('E_USAGE', '--images-dir DIR is missing: which set?');
  const dirs = await findGenerations(imagesDir);
  const [dir, ...parents] = dirs;
  refuseOtherChildren(dirs);
  const replaced: Replaced[] = [];
  for (const owner of listOwners(dir!)) replaced.push(...(await findReplaced(dirs, owner)));
  signal?.throwIfAborted();
  const freed = replaced.length > 0 ? await punch(replaced, signal) : 0;
  const pages = replaced.reduce((sum, file) => sum + file.pages, 0);
  const spent = pages > 0 ? parents.filter(isWhole) : [];
  const warnings = spent.map((parent) => `${parent} can be restored by itself no more`);
  return { imagesDir: dir!, parents, pages, freed, spent, warnings };
}

/** A parent that is no pre-dump. */
function isWhole(dir: string): boolean {
  return existsSync(join(dir, fileName('PSTREE')));
}

async function punch(files: Replaced[], signal?: AbortSignal): Promise<number> {
  const client = new HelperClient(startHelper(findHelper()));
  let freed = 0;
  try {
    await client.greet();
    for (const { path, ranges } of files) {
      for (let i = 0; i < ranges.length; i += 2 * PAIRS) {
        signal?.throwIfAborted();
        freed += await client.punch(path, ranges.slice(i, i + 2 * PAIRS));
      }
    }
    return freed;
  } finally {
    await client.close();
  }
}
