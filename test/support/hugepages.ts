// Huge pages for the tests that need some: reserved for their time, and given back.
import { readFileSync, writeFileSync } from 'node:fs';

const pool = '/proc/sys/vm/nr_hugepages';

/** Runs `use` with at least `count` pages in the pool, if the machine can spare them. */
export async function withHugePages<T>(count: number, use: () => Promise<T>): Promise<T> {
  const before = readFileSync(pool, 'utf8').trim();
  if (count <= Number(before)) return use();
  writeFileSync(pool, `${count}`);
  try {
    return await use();
  } finally {
    writeFileSync(pool, before);
  }
}
