/** Times within a dump. `performance` would serve, but takes 1 ms to load. */

/** Milliseconds since some moment in the past, on a clock that is never set. */
export function now(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
