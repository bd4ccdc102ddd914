/** `ckpt restore`: the library's restore; exit code and output are criu's where nothing else fails. */

import type { RestoreOptions, RestoreResult } from '../restore/options.js';
import { restore } from '../restore/restore.js';
import { failureOf } from './lazy-pages.js';
import { printJson, say } from './print.js';
import { stopOnSignals } from './signals.js';
import { plural, time } from './units.js';

export async function run({ json, ...values }: Record<string, unknown>): Promise<number> {
  const { 'images-dir': imagesDir, 'work-dir': workDir, rest: args, ...own } = values;
  const result = await restore({
    ...own,
    ...{ imagesDir, workDir, args, quiet: json },
    ...stopOnSignals(),
    onLog: (line: string) => say(`ckpt: ${line}`),
  } as RestoreOptions);
  const failure = result.served && failureOf(result.served);
  if (json) printJson({ ok: result.code === 0 && !failure, ...result });
  else
    say(
      result.code === 0 ? (failure ? `ckpt: ${failure.message}` : summary(result)) : ended(result),
    );
  return result.code || (failure ? 1 : 0);
}

function ended({ code }: RestoreResult): string {
  return `ckpt: criu restore ended with exit code ${code}`;
}

function summary({ imagesDir, filled, served, timeUs }: RestoreResult): string {
  const late = served?.sessions.reduce(
    (sum, { demanded, prefetched }) => sum + demanded + prefetched,
    0,
  );
  const parts = [
    filled && `${plural(filled.filled, 'page')} before`,
    late !== undefined && `${plural(late, 'page')} late`,
  ].filter(Boolean);
  const from = served && parts.length > 0 ? `: ${parts.join(', ')}, from ${served.from}` : '';
  return `Restored ${imagesDir} in ${time(timeUs)}${from}`;
}
