/** A task under way: a promise of its result that is also the sequence of its progress. */

/** `await` it for the result, `for await` it for the progress; a failure ends both with the error. */
export type Run<T, P> = Promise<T> & AsyncIterable<P>;

/** Starts `task`, which reports as it goes. */
export function startRun<T, P>(task: (report: (progress: P) => void) => Promise<T>): Run<T, P> {
  const listeners = new Set<Listener<P>>();
  const promise = task((progress) => listeners.forEach((listener) => listener.push(progress)));
  return Object.assign(promise, {
    [Symbol.asyncIterator]: async function* (): AsyncGenerator<P, void> {
      const listener = new Listener<P>();
      listeners.add(listener);
      const stop = (): void => listener.stop();
      promise.then(stop, stop);
      try {
        yield* listener.items();
        await promise;
      } finally {
        listeners.delete(listener);
      }
    },
  });
}

/** Reports that wait for one reader. */
class Listener<P> {
  #waiting: P[] = [];
  #stopped = false;
  #wake = (): void => {};

  push(item: P): void {
    this.#waiting.push(item);
    this.#wake();
  }

  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  async *items(): AsyncGenerator<P, void> {
    for (;;) {
      yield* this.#waiting.splice(0);
      if (this.#waiting.length > 0) continue;
      if (this.#stopped) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
