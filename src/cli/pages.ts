/** `ckpt pages`: what pages a set lists, as a table for people or one JSON object for mechanisms. */

import { CkptError } from '../errors.js';
import { PAGE_SIZE, PE_PARENT, PE_PRESENT } from '../images/pagemap.js';
import { type DatedRange, dateRange, readBefore } from '../pages/before.js';
import { type DescribedRange, describe, readNames } from '../pages/describe.js';
import type { Manifest, ManifestOwner } from '../pages/manifest.js';
import { ownerText } from '../pages/owner.js';
import { readManifest } from '../pages/read-manifest.js';
import { oneLine, Stream } from './print.js';
import { bytes, plural } from './units.js';

export async function run({ json, ...values }: Record<string, unknown>): Promise<number> {
  const dir = values['images-dir'] as string | undefined;
  if (!dir) throw new CkptError('E_USAGE', '--images-dir DIR is missing: the pages of which set?');
  const set = await readManifest(dir);
  const out = new Stream();
  await (json ? writeJson(set, out) : writeTable(set, out));
  out.end();
  return 0;
}

/** One object, written as it comes about: a set may have a million ranges. */
async function writeJson(set: Manifest, out: Stream): Promise<void> {
  const names = await readNames(set.dir);
  const before = await readBefore(set);
  const { dir, pages, changedSince } = set;
  const since = changedSince !== undefined && { changedSince };
  const head = { ok: true, imagesDir: dir, pageSize: PAGE_SIZE, pages, ...since };
  out.write(`${JSON.stringify(head).slice(0, -1)},"owners":[`);
  for (const [i, listed] of set.owners.entries()) {
    const { owner } = listed;
    const whose = 'pid' in owner ? { pid: owner.pid } : { shmem: `${owner.shmem}` };
    const start = JSON.stringify({ ...whose, pages: total(listed) }).slice(0, -1);
    out.write(`${i > 0 ? ',' : ''}${start},"ranges":[`);
    let comma = '';
    for await (const range of describe(set, listed, names)) {
      for (const dated of dateRange(range, listed, before)) {
        out.write(comma + JSON.stringify(jsonRange(dated, set)));
        comma = ',';
      }
    }
    out.write(']}');
  }
  out.write(']}\n');
}

function jsonRange(range: DatedRange, { changedSince }: Manifest) {
  const { page, count, at, before, flags, eager, unchanged = false } = range;
  const { kind, name, protection } = range;
  return {
    ...{ vaddr: address(page), pages: count, flags, eager, offset: at * PAGE_SIZE },
    ...(changedSince !== undefined && { changed: !unchanged }),
    ...(before !== undefined && { offsetBefore: before * PAGE_SIZE }),
    mapping: { kind, name, protection },
  };
}

async function writeTable(set: Manifest, out: Stream): Promise<void> {
  const names = await readNames(set.dir);
  out.write(`${oneLine(set.dir)}: ${sizeText(set.pages)}\n`);
  for (const listed of set.owners) {
    out.write(`\n${ownerText(listed.owner)}: ${sizeText(total(listed))}\n`);
    if (listed.ranges.length === 0) continue;
    out.write(row('address', 'pages', 'where', 'taken', 'in a store', 'mapping'));
    for await (const range of describe(set, listed, names)) {
      const { page, count, eager, at, protection, name, kind } = range;
      const mapping = [protection, oneLine(name) || kind].filter(Boolean).join(' ');
      const taken = eager ? 'early' : 'late';
      out.write(row(address(page), `${count}`, where(range), taken, address(at), mapping));
    }
  }
}

function row(...[page, count, place, taken, at, mapping]: string[]): string {
  const cells = [page!.padEnd(16), count!.padStart(8), place!.padEnd(9), taken!.padEnd(5)];
  return `  ${[...cells, at!.padStart(12), mapping].join('  ')}\n`;
}

function where({ flags, unchanged }: DescribedRange): string {
  if (unchanged) return 'unchanged';
  return flags & PE_PRESENT ? 'here' : flags & PE_PARENT ? 'parent' : 'nowhere';
}

function total({ ranges }: ManifestOwner): number {
  return ranges.reduce((sum, { count }) => sum + count, 0);
}

function sizeText(pages: number): string {
  return `${plural(pages, 'page')}, ${bytes(pages * PAGE_SIZE)}`;
}

/** In bytes. */
function address(page: number): string {
  return `0x${(BigInt(page) * BigInt(PAGE_SIZE)).toString(16)}`;
}
