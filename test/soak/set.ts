// What an image folder holds: nothing that counts as a checkpoint, or a complete one.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseName } from '../../src/images/names.js';
import { ImageReader } from '../../src/images/read.js';

/** Which images a folder holds, numbers left out: `core-N.img files.img ...` */
export function kindsIn(images: string): string {
  const names = readdirSync(images).filter((name) => name.endsWith('.img'));
  return [...new Set(names.map((name) => name.replace(/\d+/, 'N')))].sort().join(' ');
}

const threadsIn = (images: string): number =>
  readdirSync(images).filter((name) => /^core-\d+\.img$/.test(name)).length;

export const looksComplete = (images: string): boolean => existsSync(join(images, 'inventory.img'));

/** Reads every image to its end; throws at the first that is torn. */
async function readAll(images: string): Promise<void> {
  for (const name of readdirSync(images)) {
    const kind = parseName(name)?.kind;
    if (kind === undefined || kind === 'PAGES') continue;
    const reader = await ImageReader.open(join(images, name));
    for await (const _ of reader);
    await reader.close();
  }
}

/** Throws where a set that looks complete lacks a kind of image, a thread's, or a part of one. */
export async function mustBeWhole(images: string, kinds: string, threads: number): Promise<void> {
  const found = kindsIn(images);
  if (found !== kinds) throw new Error(`a set that looks complete has only ${found}`);
  if (threadsIn(images) !== threads) {
    throw new Error(`a set that looks complete has ${threadsIn(images)} of ${threads} threads`);
  }
  await readAll(images);
}
