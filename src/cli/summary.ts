/** What a dump did, in a few lines for people. */

import type { DumpResult, PageCount } from '../dump/result.js';
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
    `  images  ${plural(files.length, 'file')}, ${bytes(result.bytes)} in ${imagesDir}`,
    `  tree    ${tree} ${LEFT[left]}`,
  ].join('\n');
}

function pageLine({ pages, zeroPages }: DumpResult): string {
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

function classText({ listed, written }: PageCount, name: string): string {
  const left = listed === written ? '' : written === 0 ? ', not written' : `, ${written} written`;
  return `${listed} ${name} (${bytes(listed * PAGE)}${left})`;
}
