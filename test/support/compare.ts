// Two image sets of the same stopped process: do they list the same pages, with the same bytes?
import {
  mergeNeighbours,
  PAGE,
  PageReader,
  PE_PRESENT,
  readSet,
  type ImageSet,
  type Pagemap,
  type Run,
} from './pages.js';

/** A page whose bytes differ. */
export interface DifferentPage {
  pagemap: string;
  vaddr: number;
  /** Of the first byte that differs, within the page. */
  offset: number;
}

export interface Comparison {
  /** One line for each difference between the lists. */
  lists: string[];
  pages: DifferentPage[];
  /** How many pages were compared byte for byte. */
  compared: number;
}

const hex = (n: number): string => `0x${n.toString(16)}`;
const show = (run: Run | undefined): string =>
  run ? `${hex(run.vaddr)}+${run.pages} flags ${run.flags}` : 'nothing';

function compareLists(a: Pagemap, b: Pagemap): string[] {
  const lines: string[] = [];
  const [ours, theirs] = [a.listed ?? a.runs, b.listed ?? b.runs];
  for (let i = 0; i < Math.max(ours.length, theirs.length) && lines.length < 20; i++) {
    const [left, right] = [show(ours[i]), show(theirs[i])];
    if (left !== right) lines.push(`${a.name}, entry ${i}: ${left}, but ${right}`);
  }
  return lines;
}

/** The same pages whatever their flags are. */
const bare = (map: Pagemap): Pagemap => ({
  ...map,
  listed: mergeNeighbours((map.listed ?? map.runs).map((run) => ({ ...run, flags: 0 }))),
});

/** The stretches of pages whose bytes both have. */
function* common(a: Run[], b: Run[]): Generator<{ vaddr: number; pages: number }> {
  const present = (runs: Run[]): Run[] => runs.filter(({ flags }) => flags & PE_PRESENT);
  const [left, right] = [present(a), present(b)];
  for (let i = 0, j = 0; i < left.length && j < right.length;) {
    const [x, y] = [left[i]!, right[j]!];
    const [xEnd, yEnd] = [x.vaddr + x.pages * PAGE, y.vaddr + y.pages * PAGE];
    const start = Math.max(x.vaddr, y.vaddr);
    const end = Math.min(xEnd, yEnd);
    if (start < end) yield { vaddr: start, pages: (end - start) / PAGE };
    if (xEnd <= yEnd) i++;
    if (yEnd <= xEnd) j++;
  }
}

/** Cuts a stretch into pieces of at most 1 MiB. */
function* pieces(stretch: { vaddr: number; pages: number }) {
  for (let done = 0; done < stretch.pages; done += 256) {
    yield { vaddr: stretch.vaddr + done * PAGE, pages: Math.min(256, stretch.pages - done) };
  }
}

function* differences(a: Buffer, b: Buffer): Generator<{ page: number; offset: number }> {
  if (a.equals(b)) return;
  for (let at = 0; at < a.length; at += PAGE) {
    const [x, y] = [a.subarray(at, at + PAGE), b.subarray(at, at + PAGE)];
    if (!x.equals(y)) yield { page: at / PAGE, offset: x.findIndex((byte, i) => byte !== y[i]) };
  }
}

async function compareBytes(
  [left, right]: [ImageSet, ImageSet],
  maps: [Pagemap, Pagemap],
  result: Comparison,
): Promise<void> {
  const a = await PageReader.open(left.dir, maps[0]);
  const b = await PageReader.open(right.dir, maps[1]);
  try {
    for (const stretch of common(maps[0].runs, maps[1].runs)) {
      for (const { vaddr, pages } of pieces(stretch)) {
        const [x, y] = [await a.read(vaddr, pages), await b.read(vaddr, pages)];
        for (const { page, offset } of differences(x, y)) {
          result.pages.push({ pagemap: maps[0].name, vaddr: vaddr + page * PAGE, offset });
        }
        result.compared += pages;
      }
    }
  } finally {
    await a.close();
    await b.close();
  }
}

/**
 * Compares two image sets: the pagemaps entry for entry, neighbours merged, flags included unless
 * `flags` is false, and the bytes of all pages that both hold.
 */
export async function compareSets(
  a: ImageSet,
  b: ImageSet,
  { flags = true }: { flags?: boolean } = {},
): Promise<Comparison> {
  const result: Comparison = { lists: [], pages: [], compared: 0 };
  for (const name of new Set([...a.pagemaps, ...b.pagemaps].map((map) => map.name))) {
    const [x, y] = [a, b].map((set) => set.pagemaps.find((map) => map.name === name));
    if (!x || !y) {
      result.lists.push(`${name}: only in ${x ? a.dir : b.dir}`);
      continue;
    }
    result.lists.push(...(flags ? compareLists(x, y) : compareLists(bare(x), bare(y))));
    await compareBytes([a, b], [x, y], result);
  }
  return result;
}

/** As compareSets, for the image sets in two folders. */
export async function compare(
  a: string,
  b: string,
  options?: { flags?: boolean },
): Promise<Comparison> {
  return compareSets(await readSet(a), await readSet(b), options);
}
