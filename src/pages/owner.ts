/** Whose pages: how owners are named, in files and to people. */

import { fileName, parseName } from '../images/names.js';
import { type Owner, PAGE_SIZE } from '../images/pagemap.js';

const MAX_PID = 2 ** 31 - 1;
const MAX_SHMEM = 2n ** 64n - 1n;

/** `process 12`, `shared memory 12` */
export function ownerText(owner: Owner): string {
  return 'pid' in owner ? `process ${owner.pid}` : `shared memory ${owner.shmem}`;
}

/** `pages 0x7f00d000-0x7f00f000 of process 12`; of a segment, offsets in it. */
export function runText(run: { owner: Owner; page: number; count: number }): string {
  const [from, to] = [run.page, run.page + run.count].map((page) => hex(BigInt(page)));
  return `pages ${from}-${to} of ${ownerText(run.owner)}`;
}

function hex(page: bigint): string {
  return `0x${(page * BigInt(PAGE_SIZE)).toString(16)}`;
}

/** One word for one owner. */
export function ownerKey(owner: Owner): string {
  return 'pid' in owner ? `${owner.pid}` : `shmem-${owner.shmem}`;
}

/** The file that lists an owner's pages. */
export function pagemapName(owner: Owner): string {
  return 'pid' in owner ? fileName('PAGEMAP', owner.pid) : fileName('SHMEM_PAGEMAP', owner.shmem);
}

/** The owner whose pages a file lists; none where no restore would look for a file of this name. */
export function ownerOf(file: string): Owner | undefined {
  const name = parseName(file);
  const owner = name && ownerBy(name.kind, name.id);
  return owner && pagemapName(owner) === file ? owner : undefined;
}

function ownerBy(kind: string, id: string): Owner | undefined {
  if (kind === 'PAGEMAP' && Number(id) > 0 && Number(id) <= MAX_PID) return { pid: Number(id) };
  if (kind === 'SHMEM_PAGEMAP' && BigInt(id) <= MAX_SHMEM) return { shmem: BigInt(id) };
  return undefined;
}

/** Address spaces by pid, then segments by id. */
export function compareOwners(a: Owner, b: Owner): number {
  if ('pid' in a) return 'pid' in b ? a.pid - b.pid : -1;
  if ('pid' in b) return 1;
  return a.shmem < b.shmem ? -1 : a.shmem > b.shmem ? 1 : 0;
}
