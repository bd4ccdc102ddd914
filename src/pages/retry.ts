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
import type { PageSource } from './source.js';

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
  for (let tried = 1; ; tried++) {
    try {
      return await attempt(action, policy.tryMs, signal);
    } catch (error) {
      if (signal?.aborted) throw aborted(name, signal);
      if (error instanceof CkptError) throw error;
      const pause = pauseAfter(tried, policy);
      if (tried >= policy.tries || performance.now() + pause > end)
        throw gaveUp(name, tried, error);
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
  ...[source, run, signal]: [PageSource, ...Parameters<PageSource['read']>]
) {
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
  const controller = new AbortController();
  const { signal } = controller;
  const stop = (reason: unknown): void => controller.abort(reason);
  const passOn = (): void => stop(outer!.reason);
  const timer = setTimeout(() => stop(new Error(`no answer in ${limit / 1000} s`)), limit);
  outer?.addEventListener('abort', passOn);
  if (outer?.aborted) passOn();
  try {
    const stopped = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
      if (signal.aborted) reject(signal.reason);
    });
    stopped.catch(() => {});
    return signal.aborted ? await stopped : await Promise.race([action(signal), stopped]);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', passOn);
  }
}

function pauseAfter(tried: number, { pauseMs, maxPauseMs }: Policy): number {
  const pause = Math.min(pauseMs * 2 ** (tried - 1), maxPauseMs);
  return pause * (0.75 + Math.random() / 2); // so that many who failed at once do not return at once
}

function gaveUp(name: string, tries: number, error: unknown): CkptError {
  const message = `${name}: gave up after ${tries} ${tries === 1 ? 'try' : 'tries'}: ${reasonOf(error)}`;
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
