/** Counts what passes by on its way to the images: pages by class and process, tasks, times. */

import type { DumpFrame } from '../helper/client.js';
import {
  RUN_COPIED,
  RUN_LAZY,
  RUN_UNCHANGED,
  type CapturedFrame,
  type PagemapFrame,
} from '../helper/protocol.js';
import type { DumpResult, PageCount, ProcessResult } from './result.js';

const none = (): PageCount => ({ listed: 0, written: 0, unchanged: 0 });

export class Tally {
  readonly pages: DumpResult['pages'] = { lazy: none(), other: none(), shared: none() };
  readonly #processes = new Map<number, Omit<ProcessResult, 'pages'>>();
  /** Of address spaces, by pid. */
  readonly spaces = new Map<number, PageCount>();
  captured: CapturedFrame | undefined;

  /** `stored`: which pages are copied, but into a page store and not into the images. */
  constructor(private readonly stored?: 'all' | 'lazy' | false) {}

  get processes(): ProcessResult[] {
    return [...this.#processes.values()].map((process) => ({
      ...process,
      pages: this.spaces.get(process.pid) ?? none(),
    }));
  }

  add(frame: DumpFrame): void {
    if (frame.t === 'task') {
      const { pid, comm, state, tids } = frame;
      this.#processes.set(pid, { pid, comm, state, threads: tids.length });
    } else if (frame.t === 'pagemap') {
      this.#addPages(frame);
    } else if (frame.t === 'captured') {
      this.captured = frame;
    }
  }

  #addPages({ pid, runs }: PagemapFrame): void {
    const { lazy, other, shared } = this.pages;
    const space = pid === undefined ? undefined : this.#space(pid);
    for (let i = 0; i < runs.length; i += 3) {
      const [count, bits] = [runs[i + 1]!, runs[i + 2]!];
      const isStored = this.stored === 'all' || (this.stored === 'lazy' && bits & RUN_LAZY);
      const kind = pid === undefined ? shared : bits & RUN_LAZY ? lazy : other;
      for (const sum of space ? [kind, space] : [kind]) {
        sum.listed += count;
        if (bits & RUN_COPIED && !isStored) sum.written += count;
        if (bits & RUN_UNCHANGED) sum.unchanged += count;
      }
    }
  }

  #space(pid: number): PageCount {
    let space = this.spaces.get(pid);
    if (!space) this.spaces.set(pid, (space = none()));
    return space;
  }
}
