/** Counts what passes by on its way to the images: pages by class and process, tasks, times. */

import type { DumpFrame } from '../helper/client.js';
import { RUN_COPIED, RUN_LAZY, type CapturedFrame, type PagemapFrame } from '../helper/protocol.js';
import type { DumpResult, PageCount, ProcessResult } from './result.js';

const none = (): PageCount => ({ listed: 0, written: 0 });

export class Tally {
  readonly pages: DumpResult['pages'] = { lazy: none(), other: none(), shared: none() };
  readonly #processes = new Map<number, ProcessResult>();
  captured: CapturedFrame | undefined;

  /** `stored`: which pages are copied, but into a page store and not into the images. */
  constructor(private readonly stored?: 'all' | 'lazy' | false) {}

  get processes(): ProcessResult[] {
    return [...this.#processes.values()];
  }

  add(frame: DumpFrame): void {
    if (frame.t === 'task') {
      const { pid, comm, state, tids } = frame;
      this.#processes.set(pid, { pid, comm, state, threads: tids.length, pages: none() });
    } else if (frame.t === 'pagemap') {
      this.#addPages(frame);
    } else if (frame.t === 'captured') {
      this.captured = frame;
    }
  }

  #addPages({ pid, runs }: PagemapFrame): void {
    const { lazy, other, shared } = this.pages;
    const process = pid === undefined ? undefined : this.#processes.get(pid)?.pages;
    for (let i = 0; i < runs.length; i += 3) {
      const [count, bits] = [runs[i + 1]!, runs[i + 2]!];
      const isStored = this.stored === 'all' || (this.stored === 'lazy' && bits & RUN_LAZY);
      const written = bits & RUN_COPIED && !isStored ? count : 0;
      const kind = pid === undefined ? shared : bits & RUN_LAZY ? lazy : other;
      for (const sum of process ? [kind, process] : [kind]) {
        sum.listed += count;
        sum.written += written;
      }
    }
  }
}
