/** What a dump did, in a few lines for people. */

import type { DumpResult, PageCount, PreDumpResult, Taken } from '../dump/result.js';
import { bytes, plural, time } from './units.js';

const PAGE = 4096;
const CLASSES = { lazy: 'lazy-capable', other: 'other private', shared: 'shared' } as const;
const LEFT = { dead: 'killed', running: 'runs on', stopped: 'stopped' };

export function summary(result: DumpResult): string {
  const { processes, threads, pauseUs, timesUs, files, imagesDir, left, tree } = result;
  const what = `${plural(processes.length, 'process', 'processes')}, ${plural(threads, 'thread')}`;
  return [
    `Dumped ${what} in ${time(timesUs.total)}; pause ${time(pauseUs)}`,
    `  pages   ${pageLine(result)}`,
    ...liveLine(result),
    ...snapshotLine(result),
    ...chainLines(result),
    `  images  ${plural(files.length, 'file')}, ${bytes(result.bytes)} in ${imagesDir}`,
    `  tree    ${tree} ${LEFT[left]}`,
  ].join('\n');
}

/** Likewise, of a pre-dump. */
export function preDumpSummary(result: PreDumpResult): string {
  const { spaces, timesUs, pauseUs, files, imagesDir, tree } = result;
  const what = plural(spaces.length, 'address space');
  return [
    `Pre-dumped ${what} in ${time(timesUs.total)}; pause ${time(pauseUs)}`,
    `  pages   ${pageLine(result)}`,
    ...chainLines(result),
    `  images  ${plural(files.length, 'file')}, ${bytes(result.bytes)} in ${imagesDir}`,
    `  tree    ${tree} runs on`,
  ].join('\n');
}

function pageLine({ pages, zeroPages }: Taken): string {
  const classes = Object.entries(CLASSES).map(
    ([key, name]) => [pages[key as keyof typeof CLASSES], name] as const,
  );
  const parts = classes
    .filter(([{ listed }]) => listed > 0)
    .map(([count, name]) => classText(count, name));
  if (zeroPages > 0) parts.push(`${plural(zeroPages, 'zero page')} left out`);
  return parts.join('; ') || 'none';
}

function liveLine({ live }: DumpResult): string[] {
  if (!live) return [];
  const { rounds, copied, left } = live;
  const before = `${bytes(copied * PAGE)} copied before the pause, in ${plural(rounds, 'round')}`;
  return [`  live    ${before}; ${bytes(left * PAGE)} left for it`];
}

function snapshotLine({ snapshot }: DumpResult): string[] {
  if (!snapshot) return [];
  const { copiedAfter, cloneUs, reapUs } = snapshot;
  const after = `${bytes(copiedAfter * PAGE)} copied after the pause`;
  return [
    `  kept    ${after}, which took ${time(cloneUs)} of it; stopped again for ${time(reapUs)}`,
  ];
}

function chainLines({ track, dedup, pages }: Taken): string[] {
  const unchanged = pages.lazy.unchanged + pages.other.unchanged + pages.shared.unchanged;
  const lines: string[] = [];
  if (track?.since !== undefined) {
    lines.push(`  parent  ${bytes(unchanged * PAGE)} as they were in ${track.since}`);
  }
  if (dedup) lines.push(`  dedup   ${bytes(dedup.freed)} freed in the sets before`);
  return lines;
}

function classText({ listed, written, unchanged }: PageCount, name: string): string {
  const left = listed === written ? '' : written === 0 ? ', not written' : `, ${written} written`;
  const kept = unchanged > 0 ? `, ${unchanged} unchanged` : '';
  return `${listed} ${name} (${bytes(listed * PAGE)}${left}${kept})`;
}
