/**
 * Reliability, in one place for all sources: what may pass is tried again, with growing pauses, and
 * nothing is waited for without end.
 *
 * A CkptError is final, and so is the caller's abort. All else is a failure that may pass: a
 * connection that was reset, an answer of 500, silence.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { CkptError } from '../errors.js';
import { PAGE_SIZE } from '../images/pagemap.js';
import type { PageRun, PageSource } from './source.js';

export interface Policy {
  tries: number;
  /** Before the second try; doubled before each further one. */
  pauseMs: number;
  maxPauseMs: number;
  /** What one try may take. */
  tryMs: number;
  /** No try begins later than this. */
  totalMs: number;
}

/** Half a minute for a hiccup of the network, in which a restored program stands still at worst. */
export const POLICY: Policy = {
  tries: 6,
  pauseMs: 100,
  maxPauseMs: 5_000,
  tryMs: 30_000,
  totalMs: 120_000,
};

/**
 * What `action` resolves to, at last. `name` is who failed, for the error: CkptError E_PAGE_SOURCE
 * with the last failure where all tries are used up; E_ABORTED where `signal` aborts.
 */
export async function retry<T>(
  name: string,
  action: (signal: AbortSignal) => Promise<T>,
  policy: Policy = POLICY,
  signal?: AbortSignal,
): Promise<T> {
  const end = performance.now() + policy.totalMs;
  const failures: string[] = [];
  for (let tried = 1; ; tried++) {
    try {
      return await attempt(action, policy.tryMs, signal);
    } catch (error) {
      if (signal?.aborted) throw aborted(name, signal);
      if (error instanceof CkptError) throw error;
      failures.push(reasonOf(error));
      const pause = pauseAfter(tried, policy);
      const isOver = tried >= policy.tries || performance.now() + pause > end;
      if (isOver) throw gaveUp(name, failures, error);
      await sleep(pause, undefined, { signal }).catch(() => {});
    }
  }
}

/** The same source, each of whose methods that may fail is tried again. */
export function reliable(source: PageSource, policy: Policy = POLICY): PageSource {
  const { name } = source;
  return {
    name,
    open: (set) => retry(name, async () => source.open?.(set), policy),
    read: (run, signal) => retry(name, (inner) => readWhole(source, run, inner), policy, signal),
    ...(source.locate && { locate: (run) => source.locate!(run) }),
    close: async () => source.close?.(),
  };
}

async function readWhole(
  source: PageSource,
  run: PageRun,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const bytes = await source.read(run, signal);
  if (bytes.length === run.count * PAGE_SIZE) return bytes;
  throw new Error(`${bytes.length} bytes came for ${run.count} pages`);
}

/** One try; it ends with `limit` and with the abort even where the action heeds no signal. */
async function attempt<T>(
  action: (signal: AbortSignal) => Promise<T>,
  limit: number,
  outer?: AbortSignal,
): Promise<T> {
  outer?.throwIfAborted();
  const inner = new AbortController();
  const stopped = new Promise<never>((_, reject) => {
    inner.signal.addEventListener('abort', () => reject(inner.signal.reason));
  });
  const stop = (): void => inner.abort(outer!.reason);
  outer?.addEventListener('abort', stop);
  const late = new Error(`no answer in ${limit / 1000} s`);
  const timer = setTimeout(() => inner.abort(late), limit);
  try {
    return await Promise.race([action(inner.signal), stopped]);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', stop);
  }
}

function pauseAfter(tried: number, { pauseMs, maxPauseMs }: Policy): number {
  const pause = Math.min(pauseMs * 2 ** (tried - 1), maxPauseMs);
  return pause * (0.75 + Math.random() / 2); // so that many who failed at once do not return at once
}

/** The first failure may tell more than the last: who closed a connection, and then refused new ones. */
function gaveUp(name: string, failures: string[], error: unknown): CkptError {
  const [first, last] = [failures[0], failures.at(-1)];
  const why = first === last ? first : `${first}; at last: ${last}`;
  const tries = failures.length === 1 ? '1 try' : `${failures.length} tries`;
  const message = `${name}: gave up after ${tries}: ${why}`;
  return new CkptError('E_PAGE_SOURCE', message, { object: name }, { cause: error });
}

/** What failed; fetch tells it in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, cause } = error;
  return cause instanceof Error ? `${message}: ${reasonOf(cause)}` : message || error.name;
}

function aborted(name: string, { reason }: AbortSignal): CkptError {
  if (reason instanceof CkptError) return reason;
  return new CkptError('E_ABORTED', `${name}: reading pages was aborted`, { object: name });
}
