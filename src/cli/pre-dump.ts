/** `ckpt pre-dump`: the library's pre-dump, with a progress bar and a summary, or one JSON object. */

import { preDump, type PreDumpOptions } from '../dump/pre-dump.js';
import { printJson, say } from './print.js';
import { ProgressBar } from './progress.js';
import { abortOnSignals } from './signals.js';
import { preDumpSummary } from './summary.js';
import { camelCased } from './values.js';

export async function run({ json, ...values }: Record<string, unknown>): Promise<number> {
  const bar = new ProgressBar();
  const options = {
    ...camelCased(values),
    signal: abortOnSignals(),
    onProgress: (progress) => bar.update(progress),
    ...(!values['log-file'] && { onLog: say }),
  } as PreDumpOptions;
  try {
    const result = await preDump(options);
    bar.stop();
    if (json) printJson({ ok: true, ...result });
    else say(preDumpSummary(result));
    return 0;
  } finally {
    bar.stop();
  }
}
