/** What serving a set's pages can be told, and what it tells. */

import { CkptError } from '../errors.js';
import type { EndedFrame } from '../helper/protocol.js';
import type { PageSource } from '../pages/source.js';

export type Prefetch = 'none' | 'sequential' | 'recorded';

const PREFETCH: readonly Prefetch[] = ['none', 'sequential', 'recorded'];

export interface ServeOptions {
  /** The folder of the set. */
  imagesDir: string;
  /** Who has its pages: `images:DIR`, `process:PID` ..., or any source. Default: the set itself. */
  from?: string | PageSource;
  /** Where restores look for the socket: their work folder. Default: the set's folder. */
  workDir?: string;
  /** Serve any number of restores, until `signal`. */
  keep?: boolean;
  /** What is brought before anybody waits for it: default `sequential`. */
  prefetch?: Prefetch;
  /** Gets the order in which pages are touched; with `prefetch: 'recorded'`, has it. */
  record?: string;
  /** No restore may begin any more; those under way are served to their end. */
  signal?: AbortSignal;
  /** All ends at once: who touches a page that is missing gets a SIGBUS. */
  hurry?: AbortSignal;
  onListening?: (socket: string) => void;
  onProgress?: (progress: ServeProgress) => void;
  /** Restores that begin and end, pages that fail. */
  onLog?: (line: string) => void;
}

/** Pages that are missing no more, of those that were. */
export interface ServeProgress {
  phase: 'serve';
  done: number;
  total: number;
}

/** One restore; the counts are of pages, as docs/protocol.md has them. */
export type SessionResult = Omit<EndedFrame, 't' | 'session' | 'latency_us' | 'us'> & {
  latencyUs: EndedFrame['latency_us'];
  timeUs: number;
};

/** Pages of a process that could not be had. */
export interface LostPages {
  pid: number;
  pages: number;
  /** Which: ascending; `page` is an address, as the process was dumped, divided by 4096. */
  runs: { page: number; count: number }[];
  /** Of the first of them. */
  reason: string;
}

export interface ServeResult {
  imagesDir: string;
  from: string;
  socket: string;
  sessions: SessionResult[];
  /** By process; empty where all is well. */
  lost: LostPages[];
  timeUs: number;
}

/** Throws CkptError E_USAGE. */
export function checkOptions({ imagesDir, prefetch = 'sequential', record }: ServeOptions): void {
  if (!imagesDir) throw usage('--images-dir DIR is missing: whose pages are to be served?');
  if (!PREFETCH.includes(prefetch)) {
    throw usage(`--prefetch: '${String(prefetch)}' is none of ${PREFETCH.join(', ')}`);
  }
  if (prefetch === 'recorded' && record === undefined) {
    throw usage('--prefetch recorded needs --record FILE: what was recorded?');
  }
}

function usage(message: string): CkptError {
  return new CkptError('E_USAGE', message);
}
