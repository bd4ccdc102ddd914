// Waiting, with an end to it.
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Calls `probe` every few milliseconds until it gives something other than undefined or false.
 * @param what named in the error when that takes longer than `limit` milliseconds
 */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  limit = 30_000,
): Promise<T> {
  const end = Date.now() + limit;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`${what}: not within ${limit} ms`);
    await sleep(3);
  }
}
