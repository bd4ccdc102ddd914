/**
 * Serves a set's pages to restores that take them late: a stock `criu restore --lazy-pages`
 * connects to a socket in its work folder. The helper does it; here it is told where the pages are,
 * and helped with those that only we can get.
 */

import { setMaxListeners } from 'node:events';
import { join } from 'node:path';
import { now } from '../clock.js';
import { findFolders } from '../dump/folders.js';
import { startRun, type Run } from '../dump/run.js';
import { HelperClient } from '../helper/client.js';
import { findHelper } from '../helper/find.js';
import type { ServeFrame, ServingRequest } from '../helper/protocol.js';
import { startHelper, type Peer } from '../helper/start.js';
import { parseSource } from '../pages/open.js';
import { readManifest } from '../pages/read-manifest.js';
import { POLICY, reliable } from '../pages/retry.js';
import type { PageSource } from '../pages/source.js';
import { answer } from './answer.js';
import {
  checkOptions,
  type ServeOptions,
  type ServeProgress,
  type ServeResult,
} from './options.js';
import { readRecord, Recorder } from './record.js';
import { makeTables, type Tables } from './tables.js';
import { Tally } from './tally.js';

/** The name that criu's restore looks for. */
const SOCKET = 'lazy-pages.socket';
/** Longer than any read of a source may take. */
const ANSWER_MS = POLICY.totalMs + POLICY.tryMs;

/** What the steps share. */
interface Serving {
  options: ServeOptions;
  workDir: string;
  source: PageSource;
  recorder: Recorder | undefined;
  report: (progress: ServeProgress) => void;
}

/**
 * Serves a set until one restore has all its pages, or with `keep` until `signal`. The result can
 * be awaited, and iterated over for the progress. Throws CkptError where no restore could be served;
 * pages that fail one are in the result.
 */
export function serve(options: ServeOptions): Run<ServeResult, ServeProgress> {
  return startRun((tell) =>
    serveSet(options, (progress) => {
      options.onProgress?.(progress);
      tell(progress);
    }),
  );
}

async function serveSet(
  options: ServeOptions,
  report: (progress: ServeProgress) => void,
): Promise<ServeResult> {
  const start = now();
  checkOptions(options);
  const { prefetch, record, from = `images:${options.imagesDir}` } = options;
  const set = await readManifest(options.imagesDir);
  const workDir = findFolders(set.dir, options.workDir).work;
  const source = reliable(typeof from === 'string' ? parseSource(from) : from);
  const isRecording = record !== undefined && prefetch !== 'recorded';
  const recorder = isRecording ? new Recorder(record) : undefined;
  try {
    await source.open!(set);
    const tables = makeTables(set, source);
    const tally = await run({ options, workDir, source, recorder, report }, tables);
    recorder?.write();
    const timeUs = Math.round((now() - start) * 1000);
    const socket = join(workDir, SOCKET);
    return { imagesDir: set.dir, from: source.name, socket, ...tally.result(), timeUs };
  } finally {
    await source.close!();
  }
}

async function run(serving: Serving, tables: Tables): Promise<Tally> {
  const { options, recorder } = serving;
  const hasData = tables.sources.some(({ kind }) => kind === 'remote');
  const peer = startHelper(findHelper(), options.onLog, [], hasData);
  const client = new HelperClient(peer);
  const tally = new Tally(options.onLog);
  const over = new AbortController();
  setMaxListeners(0, over.signal); // as many as there are answers under way
  try {
    await client.greet();
    const requests = requestsFor(serving, tables);
    for await (const frame of client.serve(requests)) {
      tally.add(frame);
      if (frame.t === 'touched') recorder?.add(frame);
      if (frame.t === 'listening') heed(options, client, over.signal);
      hear(frame, serving, peer, over.signal);
    }
    return tally;
  } finally {
    over.abort();
    peer.data?.end();
    await client.close();
  }
}

function* requestsFor({ options, workDir, recorder }: Serving, tables: Tables) {
  const { keep = false, prefetch, record } = options;
  yield {
    op: 'serve',
    folder: workDir,
    socket: SOCKET,
    sources: tables.sources,
    keep,
    prefetch: prefetch === 'none' ? 'none' : 'sequential',
    record: recorder !== undefined,
    timeout_ms: ANSWER_MS,
  } satisfies ServingRequest;
  yield* tables.tables;
  if (prefetch === 'recorded') yield* readRecord(record!);
  yield { op: 'listen' } satisfies ServingRequest;
}

/** Passes the caller's signals on. */
function heed({ signal, hurry }: ServeOptions, client: HelperClient, over: AbortSignal): void {
  const stops = [
    [signal, 'copy'],
    [hurry, 'poison'],
  ] as const;
  for (const [wanted, rest] of stops) {
    const stop = (): void => void client.stopServing(rest).catch(() => {}); // its end is heard anyway
    if (wanted?.aborted) stop();
    else wanted?.addEventListener('abort', stop, { once: true, signal: over });
  }
}

function hear(frame: ServeFrame, serving: Serving, { data }: Peer, over: AbortSignal): void {
  const { options, report, workDir, source } = serving;
  if (frame.t === 'progress') report({ phase: 'serve', done: frame.done, total: frame.total });
  if (frame.t === 'listening') options.onListening?.(join(workDir, SOCKET));
  if (frame.t === 'need') void answer(frame, source, data!, over);
}
