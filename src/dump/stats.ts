/** stats-dump, the statistics that CRIU's users read with `crit decode`: images/stats.proto. */

import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { attempt } from '../images/file.js';
import { fileName } from '../images/names.js';
import { ImageWriter } from '../images/write.js';
import type { PageCount, Taken } from './result.js';

/** Writes it to `workDir`, in the place of an older one. Throws CkptError E_WRITE or E_NO_SPACE. */
export function writeStats(workDir: string, result: Taken, pagesScanned: number): void {
  const path = join(workDir, fileName('STATS', 'dump'));
  const draft = `${path}.${process.pid}`;
  try {
    const writer = new ImageWriter('STATS', draft);
    writer.add({ dump: entry(result, pagesScanned) });
    writer.close();
    attempt('write', path, () => renameSync(draft, path));
  } finally {
    rmSync(draft, { force: true });
  }
}

function entry({ pages, timesUs, pauseUs }: Taken, pagesScanned: number) {
  const { lazy, other, shared } = pages;
  const sum = (key: keyof PageCount): number => lazy[key] + other[key];
  return {
    freezing_time: timesUs.freeze,
    frozen_time: pauseUs,
    memdump_time: timesUs.scan,
    memwrite_time: timesUs.copy,
    pages_scanned: pagesScanned,
    pages_skipped_parent: sum('unchanged'),
    pages_written: sum('written'),
    pages_lazy: sum('listed') - sum('written') - sum('unchanged'),
    shpages_scanned: shared.listed,
    shpages_skipped_parent: shared.unchanged,
    shpages_written: shared.written,
  };
}
