/** `ckpt dump`: the library's dump, with a progress bar and a summary, or one JSON object. */

import { dump } from '../dump/dump.js';
import type { DumpOptions } from '../dump/options.js';
import { printJson, say } from './print.js';
import { ProgressBar } from './progress.js';
import { abortOnSignals } from './signals.js';
import { summary } from './summary.js';
import { camelCased } from './values.js';

export async function run({ json, ...values }: Record<string, unknown>): Promise<number> {
  const bar = new ProgressBar();
  const options = {
    ...camelCased(values),
    signal: abortOnSignals(),
    onProgress: (progress) => bar.update(progress),
    ...(!values['log-file'] && { onLog: say }),
  } as DumpOptions;
  try {
    const result = await dump(options);
    bar.stop();
    if (json) printJson({ ok: true, ...result });
    else say(summary(result));
    return 0;
  } finally {
    bar.stop();
  }
}
