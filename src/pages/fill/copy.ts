/** Pages from their sources, in the order asked for, with a few requests under way at a time. */

import { CkptError } from '../../errors.js';
import { runText } from '../owner.js';
import type { PageRun, PageSource } from '../source.js';

/** Pages that one source is asked for at once: 1 MiB. */
const MAX_RUN = 256;
/** Requests under way. */
const AHEAD = 8;

export interface Piece {
  source: PageSource;
  run: PageRun;
}

/** Cuts a run into what is asked for at once. */
export function* cutRun(source: PageSource, { owner, page, count }: PageRun): Generator<Piece> {
  for (let done = 0; done < count; done += MAX_RUN) {
    const run = { owner, page: page + done, count: Math.min(MAX_RUN, count - done) };
    yield { source, run };
  }
}

/** The bytes of each piece. Throws CkptError E_PAGE_SOURCE, naming the source and the pages. */
export async function* readPieces(
  pieces: Iterable<Piece>,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const waiting: Promise<Uint8Array>[] = [];
  for (const piece of pieces) {
    const reading = readPiece(piece, signal);
    reading.catch(() => {}); // it is heard of when its turn comes
    waiting.push(reading);
    if (waiting.length === AHEAD) yield await waiting.shift()!;
  }
  for (const reading of waiting) yield await reading;
}

async function readPiece({ source, run }: Piece, signal?: AbortSignal): Promise<Uint8Array> {
  signal?.throwIfAborted();
  try {
    return await source.read(run, signal);
  } catch (error) {
    if (!(error instanceof CkptError) || error.code !== 'E_PAGE_SOURCE') throw error;
    const { code, message, details } = error;
    const what = runText(run);
    const isNamed = message.includes(what);
    throw new CkptError(code, isNamed ? message : `${message} (${what})`, details, {
      cause: error,
    });
  }
}
