/** `ckpt fill`: the library's fill, with a progress bar and a line of summary, or one JSON object. */

import { PAGE_SIZE } from '../images/pagemap.js';
import { fill } from '../pages/fill/fill.js';
import type { FillOptions, FillResult } from '../pages/fill/options.js';
import { printJson, say } from './print.js';
import { ProgressBar } from './progress.js';
import { abortOnSignals } from './signals.js';
import { bytes, plural, time } from './units.js';
import { camelCased } from './values.js';

export async function run({ json, ...values }: Record<string, unknown>): Promise<number> {
  const bar = new ProgressBar();
  const options = {
    ...camelCased(values),
    signal: abortOnSignals('filling'),
    onProgress: (progress) => bar.update(progress),
  } as FillOptions;
  try {
    const result = await fill(options);
    bar.stop();
    if (json) printJson({ ok: true, ...result });
    else say(summary(result));
    return 0;
  } finally {
    bar.stop();
  }
}

function summary({ imagesDir, store, from, pages, timeUs }: FillResult): string {
  const parts = [
    `${plural(pages.filled, 'page')} (${bytes(pages.filled * PAGE_SIZE)}) from ${from}`,
    pages.kept > 0 && `${pages.kept} of its own`,
    pages.late > 0 && `${pages.late} left to come late`,
  ];
  return `Filled ${store ?? imagesDir} in ${time(timeUs)}: ${parts.filter(Boolean).join(', ')}`;
}
