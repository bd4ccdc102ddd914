// Pages that a restore makes as they are without being told of them: zeros in anonymous memory.
import { execa } from 'execa';
import { join } from 'node:path';
import { oracleProgram } from './paths.js';
import {
  mergeNeighbours,
  PAGE,
  PageReader,
  type ImageSet,
  type Pagemap,
  type Run,
} from './pages.js';

const [MAP_PRIVATE, MAP_ANONYMOUS, MAP_LOCKED, MAP_HUGETLB] = [0x02, 0x20, 0x2000, 0x40000];
const MAP_KINDS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_HUGETLB;
/** Of a mapping's status, what is the kernel's own: VMA_AREA_VSYSCALL, _VDSO, _VVAR. */
const KERNELS = (1 << 2) | (1 << 3) | (1 << 12);
const PE_PRESENT = 4;
const ZEROS = Buffer.alloc(PAGE);

interface Vma {
  start: string | number;
  end: string | number;
  flags: number;
  status: number;
}

/** The private anonymous mappings of a process, as crit reads them, but for locked and huge ones. */
async function anonymous(dir: string, pid: string): Promise<(address: number) => boolean> {
  const path = join(dir, `mm-${pid}.img`);
  const { stdout } = await execa(oracleProgram('4.2.1', 'crit'), ['decode', '-i', path]);
  const vmas = (JSON.parse(stdout).entries[0].vmas as Vma[])
    .filter(
      ({ flags, status }) =>
        (flags & MAP_KINDS) === (MAP_PRIVATE | MAP_ANONYMOUS) && !(status & KERNELS),
    )
    .map(({ start, end }) => [Number(start), Number(end)] as const);
  return (address) => vmas.some(([start, end]) => start <= address && address < end);
}

async function split(set: ImageSet, map: Pagemap, pid: string) {
  const [isAnonymous, reader] = [
    await anonymous(set.dir, pid),
    await PageReader.open(set.dir, map),
  ];
  const [kept, zeros]: [Run[], Run[]] = [[], []];
  try {
    for (const { vaddr: start, pages, flags } of map.runs) {
      for (let vaddr = start; vaddr < start + pages * PAGE; vaddr += PAGE) {
        const isRead = (flags & PE_PRESENT) !== 0 && isAnonymous(vaddr);
        const isZero = isRead && (await reader.read(vaddr, 1)).equals(ZEROS);
        (isZero ? zeros : kept).push({ vaddr, pages: 1, flags });
      }
    }
  } finally {
    await reader.close();
  }
  return { listed: mergeNeighbours(kept), zeros };
}

/** The set as if it did not list such pages, where it holds their bytes, and those pages by themselves. */
export async function withoutZeros(set: ImageSet): Promise<{ set: ImageSet; zeros: Run[] }> {
  const all: Run[] = [];
  const pagemaps: Pagemap[] = [];
  for (const map of set.pagemaps) {
    const pid = /^pagemap-(\d+)\.img$/.exec(map.name)?.[1];
    if (pid === undefined) {
      pagemaps.push(map);
      continue;
    }
    const { listed, zeros } = await split(set, map, pid);
    pagemaps.push({ ...map, listed });
    all.push(...zeros);
  }
  return { set: { ...set, pagemaps }, zeros: all };
}
