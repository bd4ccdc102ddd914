/** What ends a dump early: the caller's signal, and the time that it may take. */

import { now } from '../clock.js';
import { CkptError } from '../errors.js';

/** Aborts on the caller's signal, or `timeout` seconds from now; the reason is the CkptError to throw. */
export class Limit {
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #timeout: number;
  readonly #deadline: number;
  readonly #timer: NodeJS.Timeout | undefined;

  /** A `timeout` of 0 is none. */
  constructor(caller?: AbortSignal, timeout = 0) {
    this.#caller = caller;
    this.#timeout = timeout;
    this.#deadline = timeout > 0 ? now() + timeout * 1000 : Infinity;
    if (caller?.aborted) this.#onAbort();
    caller?.addEventListener('abort', this.#onAbort);
    if (timeout > 0) this.#timer = setTimeout(() => this.#expire(), timeout * 1000);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Throws CkptError E_ABORTED or E_TIMEOUT where it is over, be it that no timer could run yet. */
  check(): void {
    if (now() >= this.#deadline) this.#expire();
    this.signal.throwIfAborted();
  }

  /** From now on nothing ends early any more. */
  lift(): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener('abort', this.#onAbort);
  }

  #expire(): void {
    const message = `the dump did not end within its timeout of ${this.#timeout} s`;
    this.#controller.abort(new CkptError('E_TIMEOUT', message));
  }

  readonly #onAbort = (): void => {
    const reason: unknown = this.#caller!.reason;
    const error = new CkptError('E_ABORTED', 'the dump was aborted', {}, { cause: reason });
    this.#controller.abort(reason instanceof CkptError ? reason : error);
  };
}
