// A small set that exists as a manifest and a flat page store only, and what is asked of its sources.
import { createHash } from 'node:crypto';
import { type ErrorCode, CkptError } from '../../src/errors.js';
import { PE_LAZY } from '../../src/images/pagemap.js';
import type { Manifest } from '../../src/pages/manifest.js';
import type { Policy } from '../../src/pages/retry.js';
import type { PageRun, PageSource } from '../../src/pages/source.js';

export const PAGE = 4096;

const range = { flags: PE_LAZY, eager: false };

export const set: Manifest = {
  dir: '/no/such/set',
  owners: [
    {
      owner: { pid: 100 },
      ranges: [
        { ...range, page: 0x400, count: 3, at: 0 },
        { ...range, page: 0x403, count: 2, at: 3, eager: true, flags: 0 },
        { ...range, page: 0x7f0000000, count: 1500, at: 5 },
      ],
    },
    { owner: { shmem: 77n }, ranges: [{ ...range, page: 2, count: 4, at: 1505, eager: true }] },
  ],
  pages: 1509,
};

/** Every page of the store is another: its number, hashed and repeated. */
export const store: Buffer = Buffer.concat(
  Array.from({ length: set.pages }, (_, at) =>
    Buffer.alloc(PAGE, createHash('sha256').update(`page ${at}`).digest()),
  ),
);

/** Runs of all kinds, and where each lies in the store. */
export const RUNS: { run: PageRun; at: number }[] = [
  { run: { owner: { pid: 100 }, page: 0x400, count: 1 }, at: 0 },
  { run: { owner: { pid: 100 }, page: 0x401, count: 4 }, at: 1 },
  { run: { owner: { pid: 100 }, page: 0x7f0000000, count: 1500 }, at: 5 },
  { run: { owner: { pid: 100 }, page: 0x7f00005db, count: 1 }, at: 1504 },
  { run: { owner: { shmem: 77n }, page: 3, count: 3 }, at: 1506 },
];

/** Quick to give up, so that failures are seen soon. */
export const HASTY: Policy = { tries: 3, pauseMs: 5, maxPauseMs: 20, tryMs: 300, totalMs: 5_000 };

/** Opens a source, reads all runs at once, and again one after the other. Throws where bytes differ. */
export async function mustServe(source: PageSource): Promise<void> {
  await source.open?.(set);
  try {
    await Promise.all(RUNS.map((one) => checkRun(source, one)));
    for (const one of RUNS) await checkRun(source, one);
  } finally {
    await source.close?.();
  }
}

async function checkRun(source: PageSource, { run, at }: (typeof RUNS)[number]): Promise<void> {
  const bytes = await source.read(run);
  const expected = store.subarray(at * PAGE, (at + run.count) * PAGE);
  if (expected.equals(bytes)) return;
  throw new Error(`other bytes than those of page ${at} and the ${run.count - 1} behind it`);
}

/** The error with which `action` fails: of this code, and one line that matches `message`. */
export async function mustFail(
  action: Promise<unknown>,
  code: ErrorCode,
  message: RegExp,
): Promise<CkptError> {
  const error = await action.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof CkptError)) throw new Error(`no CkptError, but ${String(error)}`);
  if (error.code !== code) throw new Error(`${error.code} and not ${code}: ${error.message}`);
  if (!message.test(error.message) || error.message.includes('\n')) {
    throw new Error(`not as ${message}: ${error.message}`);
  }
  return error;
}
