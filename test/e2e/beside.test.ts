// Beside CRIU: of one stopped tree, ckpt and CRIU dump the same pages with the same bytes and
// flags, but for pages of zeros in anonymous memory, which ckpt reads and leaves out; and a dump
// without pages lists those that CRIU does and holds all else.
//   usage: node dist/test/e2e/beside.test.js [NAME]...
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compareSets } from '../support/compare.js';
import { mustDump } from '../support/dump.js';
import { withHugePages } from '../support/hugepages.js';
import { readSet, type ImageSet } from '../support/pages.js';
import { descendants } from '../support/proc.js';
import { orSkip } from '../support/skip.js';
import { holdStill } from '../support/still.js';
import { Target } from '../support/target.js';
import { withTemp } from '../support/temp.js';
import { withoutZeros } from '../support/zeros.js';

const LAZY = 2;
/** Pages of zeros that a fixture writes to anonymous memory: for those that are about them. */
const LEAST_ZEROS: Record<string, number> = { anonymous: 100, zeros: 4 * 24 * 3 + 511 };
const names = process.argv.slice(2);

const images = (dir: string): string[] =>
  readdirSync(dir).filter((name) => name.endsWith('.img') && !name.startsWith('pages-'));

/** Runs as PID.PAGES, whatever their flags: neighbours that differ in those alone are one. */
function listed({ pagemaps }: ImageSet): string[] {
  return pagemaps.flatMap(({ name, runs }) => {
    const joined: [start: number, end: number][] = [];
    for (const { vaddr, pages } of runs) {
      const last = joined.at(-1);
      const end = vaddr + pages * 4096;
      if (last && last[1] === vaddr) last[1] = end;
      else joined.push([vaddr, end]);
    }
    return joined.map(([start, end]) => `${name} ${start.toString(16)}-${end.toString(16)}`);
  });
}

function mustListAll(theirs: ImageSet, skipped: ImageSet): void {
  assert.equal(listed(skipped), listed(theirs));
  for (const { name, pagesId, runs } of skipped.pagemaps) {
    assert.is(pagesId, 0, name);
    assert.ok(
      runs.every(({ flags }) => flags === LAZY),
      name,
    );
  }
  assert.equal(
    readdirSync(skipped.dir).filter((name) => name.startsWith('pages-')),
    [],
  );
}

/** All but the pagemaps of two dumps of one stopped tree, byte for byte. */
function mustHoldTheSame(a: string, b: string): void {
  assert.equal(images(b), images(a));
  // What time it is stands in two of them.
  const timeless = (name: string) => !/^(pagemap-.*|inventory|timens-0)\.img$/.test(name);
  for (const name of images(a).filter(timeless)) {
    assert.ok(readFileSync(join(a, name)).equals(readFileSync(join(b, name))), name);
  }
}

/**
 * Only what a restore cannot take late is there, and it is what a full dump has of it. The rest is
 * listed unread, and so as CRIU has it.
 */
async function mustHoldTheRest(full: ImageSet, theirs: ImageSet, lazy: ImageSet): Promise<void> {
  const runs = ({ pagemaps }: ImageSet, wanted: number) =>
    pagemaps.map(({ name, runs }) => {
      const some = runs.filter(({ flags }) => flags === wanted);
      return [name, some.map(({ vaddr, pages }) => [vaddr, pages])];
    });
  assert.equal(runs(lazy, LAZY), runs(theirs, 6));
  assert.equal(runs(lazy, 4), runs(full, 4));
  assert.equal((await compareSets(full, lazy, { flags: false })).pages, []);
}

async function letRun(target: Target): Promise<void> {
  for (const pid of [target.pid, ...descendants(target.pid)]) process.kill(pid, 'SIGCONT');
  await target.ask();
}

async function beside(fixture: string, dir: string, args: string[]): Promise<void> {
  const leastZeros = LEAST_ZEROS[fixture] ?? 0;
  const target = await Target.start(fixture, join(dir, 'state'), args);
  try {
    // First dumps leave their marks, which later ones find: CRIU writes into a page of code, both
    // touch a page or two of stack. After CRIU's a SIGSTOP waits, which goes when the tree runs.
    await holdStill(target.pid);
    await mustDump('criu', target.pid, join(dir, 'first-criu'), { leaveRunning: true });
    await letRun(target);
    await holdStill(target.pid);
    await mustDump('ckpt', target.pid, join(dir, 'first-ckpt'), { leaveRunning: true });
    const [ours, theirs, skipped, lazy] = ['ckpt', 'criu', 'all', 'lazy'].map((name) =>
      join(dir, name),
    ) as [string, string, string, string];
    const dumpOurs = (to: string, ...options: string[]) =>
      mustDump('ckpt', target.pid, to, { leaveRunning: true, args: options });
    const { stdout } = await dumpOurs(ours, '--json');
    await dumpOurs(skipped, '--skip-pages');
    await dumpOurs(lazy, '--skip-pages=lazy');
    await mustDump('criu', target.pid, theirs, { leaveRunning: true });

    const [full, all] = [await readSet(ours), await readSet(theirs)];
    const { set, zeros } = await withoutZeros(all);
    const compared = await compareSets(full, set);
    assert.equal([compared.lists, compared.pages], [[], []], fixture);
    assert.ok(compared.compared > 10, `${compared.compared} pages were compared`);
    assert.is(JSON.parse(stdout).zeroPages, zeros.length);
    assert.ok(zeros.length >= leastZeros, `${zeros.length} pages of zeros`);
    mustListAll(all, await readSet(skipped));
    mustHoldTheSame(ours, skipped);
    await mustHoldTheRest(full, all, await readSet(lazy));
  } finally {
    await target.end();
  }
}

// None of many threads: on a busy machine their calls may touch more of the stack than the first.
const fixtures: [name: string, args?: string[], hugePages?: number][] = [
  ['anonymous'],
  ['sharedmem'],
  ['filemaps'],
  ['heap'],
  ['stack'],
  ['memfds'],
  ['madvise'],
  ['guards'],
  ['protections'],
  ['thp'],
  ['zeros'],
  ['deletedmaps'],
  ['vdso'],
  ['family'],
  ['hugetlb', [], 8],
];

for (const [name, args = [], hugePages = 0] of fixtures) {
  if (names.length > 0 && !names.includes(name)) continue;
  test(name, () =>
    orSkip(name, () => withHugePages(hugePages, () => withTemp((dir) => beside(name, dir, args)))),
  );
}

test.run();
