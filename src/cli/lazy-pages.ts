/** `ckpt lazy-pages`: the library's server of pages, with a summary, or one JSON object. */

import { CkptError } from '../errors.js';
import { PAGE_SIZE } from '../images/pagemap.js';
import { runText } from '../pages/owner.js';
import type { LostPages, ServeOptions, ServeResult, SessionResult } from '../serve/options.js';
import { serve } from '../serve/serve.js';
import { printJson, say } from './print.js';
import { ProgressBar } from './progress.js';
import { stopOnSignals } from './signals.js';
import { bytes, plural, time } from './units.js';
import { camelCased } from './values.js';

/** Exit code 1 where a restore did not get all its pages. */
export async function run({ json, ...values }: Record<string, unknown>): Promise<number> {
  const bar = new ProgressBar();
  const options = {
    ...camelCased(values),
    ...stopOnSignals(),
    onListening: (socket: string) => say(`ckpt: serving pages on ${socket}`),
    onProgress: (progress) => bar.update(progress),
    onLog: (line: string) => bar.say(`ckpt: ${line}`),
  } as ServeOptions;
  const result = await serve(options).finally(() => bar.stop());
  const failure = failureOf(result);
  if (json) printJson({ ok: !failure, ...result });
  else say(result.sessions.map(summary).join('\n') || 'No restore came');
  if (failure && !json) say(`ckpt: ${failure.message}`);
  return failure ? 1 : 0;
}

/** What was not as it should be. */
export function failureOf({ lost, sessions, from }: ServeResult): CkptError | undefined {
  const pages = lost.reduce((sum, { pages }) => sum + pages, 0);
  if (pages > 0) {
    const message = `${plural(pages, 'page')} could not be had from ${from}: ${lost.map(lostText).join('; ')}`;
    return new CkptError('E_PAGE_SOURCE', message, { lost });
  }
  if (sessions.every(({ finished }) => finished)) return undefined;
  return new CkptError('E_ABORTED', 'a restore ended before it was finished');
}

/** Whose, which, and why: the first of them. */
function lostText({ pid, runs, reason }: LostPages): string {
  const [first, ...more] = runs;
  const others = more.length > 0 ? ` and ${plural(more.length, 'more run')}` : '';
  return `${runText({ owner: { pid }, ...first! })}${others} (${reason})`;
}

function summary(session: SessionResult): string {
  const { demanded, prefetched, faults, latencyUs, timeUs, dropped } = session;
  const size = bytes((demanded + prefetched) * PAGE_SIZE);
  const waits = `${plural(faults, 'fault')}, half of them within ${latencyUs.p50} us`;
  const gone = dropped > 0 ? `, ${plural(dropped, 'page')} not wanted any more` : '';
  return `Served ${size} in ${time(timeUs)}: ${waits}${gone}`;
}
