/** Ctrl-C and the like let the target go before they end us; a second one ends us at once. */

import { CkptError } from '../errors.js';

/** Aborts with CkptError E_ABORTED at the first signal that asks us to end. */
export function abortOnSignals(what = 'the dump'): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => {
      controller.abort(new CkptError('E_ABORTED', `${what} was aborted by ${name}`));
    });
  }
  return controller.signal;
}

/** For what is to end in order at the first such signal, and at once at the second. */
export function stopOnSignals(): { signal: AbortSignal; hurry: AbortSignal } {
  const [stop, hurry] = [new AbortController(), new AbortController()];
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => (stop.signal.aborted ? hurry.abort() : stop.abort()));
  }
  return { signal: stop.signal, hurry: hurry.signal };
}
