/**
 * Puts rewritten pagemaps into a set that is there, one by one, each by a rename after the pages it
 * speaks of: at every moment the set is a checkpoint in which all that is listed as present is
 * present. Whoever is killed in between leaves a set of which some processes are full and others as
 * they were; filling it again fills the rest.
 */

import { copyFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { syncFolder } from '../../dump/publish.js';
import { attempt } from '../../images/file.js';
import { parseName } from '../../images/names.js';

/** Moves the files `names` from `staging` into `dir`. Throws CkptError, and the set is as it was. */
export function replace(staging: string, dir: string, names: string[]): void {
  const old = pagesIn(dir);
  const pages = names.filter(isPages);
  const undo: (() => void)[] = [];
  try {
    for (const name of pages) {
      move(staging, dir, name);
      undo.push(() => rmSync(join(dir, name), { force: true }));
    }
    syncFolder(dir);
    for (const name of names.filter((other) => !isPages(other))) {
      const before = join(staging, `${name}.before`);
      attempt('write', before, () => copyFileSync(join(dir, name), before));
      move(staging, dir, name);
      undo.push(() => renameSync(before, join(dir, name)));
    }
    syncFolder(dir);
  } catch (error) {
    for (const step of undo.reverse()) step();
    throw error;
  }
  for (const name of old) rmSync(join(dir, name), { force: true });
}

/** Numbers that no pages image of the set has. */
export function* freeIds(dir: string): Generator<number, never> {
  const taken = new Set(pagesIn(dir));
  for (let id = 1; ; id++) if (!taken.has(`pages-${id}.img`)) yield id;
}

function pagesIn(dir: string): string[] {
  return attempt('read', dir, () => readdirSync(dir)).filter(isPages);
}

function isPages(name: string): boolean {
  return parseName(name)?.kind === 'PAGES';
}

function move(from: string, to: string, name: string): void {
  attempt('write', join(to, name), () => renameSync(join(from, name), join(to, name)));
}
