/** `ckpt dedup`: the library's dedup, with a line of summary, or one JSON object. */

import { dedup } from '../dedup/dedup.js';
import { printJson, say } from './print.js';
import { abortOnSignals } from './signals.js';
import { bytes, plural } from './units.js';

export async function run({ json, ...values }: Record<string, unknown>): Promise<number> {
  const imagesDir = values['images-dir'] as string;
  const result = await dedup({ imagesDir, signal: abortOnSignals('deduplication') });
  if (json) {
    printJson({ ok: true, ...result });
    return 0;
  }
  for (const warning of result.warnings) say(`Warn: ${warning}`);
  const { pages, parents, freed } = result;
  say(
    `Freed ${bytes(freed)}: ${plural(pages, 'page')} replaced in ${plural(parents.length, 'set')}`,
  );
  return 0;
}
