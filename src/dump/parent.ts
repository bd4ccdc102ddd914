/** Why a set is no parent: none is taken yet, and one that lacks pages never will be. */

import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CkptError } from '../errors.js';
import { attempt } from '../images/file.js';
import { parseName } from '../images/names.js';
import { PE_LAZY } from '../images/pagemap.js';
import { ImageReader } from '../images/read.js';

/** The refusal of a parent set, `dir` being relative to the images folder. */
export async function refuseParent(imagesDir: string, dir: string): Promise<CkptError> {
  const path = resolve(imagesDir, dir);
  const incomplete = await findIncomplete(path);
  const why = incomplete
    ? `${path} was dumped without its pages (${incomplete}), so nothing can be left to it`
    : 'ckpt does not honour it yet';
  return new CkptError('E_UNSUPPORTED_OPTION', `--prev-images-dir: ${why}`, { path });
}

/** A pagemap with pages that are nowhere in the set, if there is one. */
async function findIncomplete(dir: string): Promise<string | undefined> {
  for (const name of attempt('read', dir, () => readdirSync(dir))) {
    const kind = parseName(name)?.kind;
    if (kind !== 'PAGEMAP' && kind !== 'SHMEM_PAGEMAP') continue;
    if (await lacksPages(join(dir, name))) return name;
  }
  return undefined;
}

async function lacksPages(path: string): Promise<boolean> {
  const reader = await ImageReader.open<'PAGEMAP'>(path);
  try {
    for await (const { message, value } of reader) {
      if (message === 'pagemap_entry' && value.flags === PE_LAZY) return true;
    }
    return false;
  } finally {
    await reader.close();
  }
}
