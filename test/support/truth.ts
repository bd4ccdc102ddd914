// An image set held against the memory that it was made from, in a tree that the dump has left stopped:
// every page that is listed is as in memory, and every page that has to be listed is.
import { readdirSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { Layers, type Piece } from './layers.js';
import { PAGE } from './pages.js';
import { isSegment, mappingsOf, presentPages, type Mapping } from './residence.js';

export interface Truth {
  /** One line for each page that is not as it should be; the first 20 of each process. */
  faults: string[];
  /** Pages compared byte for byte. */
  compared: number;
  /** The most layers that a process's pages lie in: 1 without a parent. */
  depth: number;
}

const ZERO = Buffer.alloc(PAGE);
const MOST_FAULTS = 20;
const hex = (n: number): string => `0x${n.toString(16)}`;

/** Pages of a process's memory, whatever its protections are: /proc/PID/mem looks through them. */
async function memoryAt(mem: FileHandle, address: number, pages: number): Promise<Buffer> {
  const bytes = Buffer.alloc(pages * PAGE);
  const { bytesRead } = await mem.read(bytes, 0, bytes.length, address);
  if (bytesRead !== bytes.length) throw new Error(`no memory at ${hex(address + bytesRead)}`);
  return bytes;
}

function differentPages(image: Buffer, memory: Buffer): { page: number; offset: number }[] {
  if (image.equals(memory)) return [];
  return Array.from({ length: image.length / PAGE }, (_, page) => page).flatMap((page) => {
    const [a, b] = [image, memory].map((bytes) => bytes.subarray(page * PAGE, (page + 1) * PAGE));
    return a!.equals(b!) ? [] : [{ page, offset: a!.findIndex((byte, i) => byte !== b![i]) }];
  });
}

/** Compares listed pages with memory, where they lie `shift` bytes further on. */
async function compareListed(
  pieces: Iterable<Piece>,
  mem: FileHandle,
  shift: number,
  truth: Truth,
): Promise<void> {
  for (const { reader, vaddr, pages } of pieces) {
    const address = vaddr + shift;
    const image = await reader.read(vaddr, pages);
    const memory = await memoryAt(mem, address, pages).catch((error: Error) => error);
    truth.compared += pages;
    if (memory instanceof Error) {
      truth.faults.push(`page ${hex(address)}+${pages}: listed, but ${memory.message}`);
      continue;
    }
    for (const { page, offset } of differentPages(image, memory)) {
      truth.faults.push(`page ${hex(address + page * PAGE)} differs at ${offset}`);
    }
    if (truth.faults.length > MOST_FAULTS) return;
  }
}

/** Pages of private memory that are not listed, though what they hold would be lost. */
async function findUnlisted(
  layers: Layers,
  mem: FileHandle,
  pid: number,
  maps: Mapping[],
  truth: Truth,
): Promise<void> {
  for (const map of maps.filter(({ isPrivate }) => isPrivate)) {
    for await (const address of presentPages(pid, map)) {
      if (layers.isListed(address)) continue;
      const isZero = map.isAnonymous && (await memoryAt(mem, address, 1)).equals(ZERO);
      if (!isZero) truth.faults.push(`page ${hex(address)} of ${map.text} is not listed`);
      if (truth.faults.length > MOST_FAULTS) return;
    }
  }
}

async function checkProcess(images: string, pid: number, truth: Truth): Promise<void> {
  const layers = await Layers.open(images, `pagemap-${pid}.img`);
  const mem = await open(`/proc/${pid}/mem`);
  try {
    truth.depth = Math.max(truth.depth, layers.depth);
    await compareListed(layers.pieces(), mem, 0, truth);
    const maps = mappingsOf(pid);
    await findUnlisted(layers, mem, pid, maps, truth);
    for (const map of maps.filter(isSegment)) await checkSegment(images, mem, map, truth);
  } finally {
    await mem.close();
    await layers.close();
  }
}

/** Listed pages of a segment are as in memory, as far as the mapping shows it; all others are zero. */
async function checkSegment(
  images: string,
  mem: FileHandle,
  { start, end, offset, inode, text }: Mapping,
  truth: Truth,
): Promise<void> {
  const layers = await Layers.open(images, `pagemap-shmem-${inode}.img`);
  try {
    const listed = layers.pieces(offset, offset + end - start);
    await compareListed(listed, mem, start - offset, truth);
    for (let at = start; at < end; at += PAGE) {
      if (layers.isListed(at - start + offset)) continue;
      if ((await memoryAt(mem, at, 1)).equals(ZERO)) continue;
      truth.faults.push(`page ${hex(at)} of ${text} is not listed`);
      if (truth.faults.length > MOST_FAULTS) return;
    }
  } finally {
    await layers.close();
  }
}

/** Holds a set against its tree, whose pids are ours and which is stopped and has not run since. */
export async function compareWithMemory(images: string): Promise<Truth> {
  const truth: Truth = { faults: [], compared: 0, depth: 0 };
  for (const name of readdirSync(images)) {
    const pid = /^pagemap-(\d+)\.img$/.exec(name)?.[1];
    if (pid !== undefined) await checkProcess(images, Number(pid), truth);
  }
  if (truth.compared === 0) throw new Error(`${images}: no page that could be compared`);
  return truth;
}

/** As compareWithMemory; throws what differs. */
export async function mustBeTrue(images: string): Promise<Truth> {
  const truth = await compareWithMemory(images);
  if (truth.faults.length === 0) return truth;
  throw new Error(`the images are not as memory:\n${truth.faults.join('\n')}`);
}
