/** Counts what a server of pages tells, and says the few things of it that somebody may want to read. */

import type { EndedFrame, FailedFrame, ServeFrame } from '../helper/protocol.js';
import { runText } from '../pages/owner.js';
import type { LostPages, ServeResult, SessionResult } from './options.js';

export class Tally {
  readonly #sessions: SessionResult[] = [];
  readonly #lost = new Map<number, LostPages>();

  constructor(private readonly say: (line: string) => void = () => {}) {}

  add(frame: ServeFrame): void {
    if (frame.t === 'begun') this.say(`restore ${frame.session} begins (process ${frame.pid})`);
    if (frame.t === 'refused') this.say(`refused: ${frame.reason}`);
    if (frame.t === 'failed') this.#lose(frame);
    if (frame.t === 'ended') this.#end(frame);
  }

  result(): Pick<ServeResult, 'sessions' | 'lost'> {
    return { sessions: this.#sessions, lost: [...this.#lost.values()].map(inOrder) };
  }

  /** The first of a process is told at once; a source that fails may fail for a million. */
  #lose({ pid, page, count, reason }: FailedFrame): void {
    const lost = this.#lost.get(pid);
    if (lost) {
      lost.pages += count;
      lost.runs.push({ page, count });
      return;
    }
    this.#lost.set(pid, { pid, pages: count, runs: [{ page, count }], reason });
    this.say(`lost: ${runText({ owner: { pid }, page, count })}: ${reason}`);
  }

  #end({ t: _, session, latency_us: latencyUs, us: timeUs, ...counts }: EndedFrame): void {
    this.#sessions.push({ ...counts, latencyUs, timeUs });
    this.say(`restore ${session} ${ending(counts)}`);
  }
}

/** Ascending, and what touches joined. Several copies of a process may have lost the same pages. */
function inOrder(lost: LostPages): LostPages {
  const runs: LostPages['runs'] = [];
  for (const { page, count } of lost.runs.toSorted((a, b) => a.page - b.page)) {
    const last = runs.at(-1);
    if (last && page <= last.page + last.count)
      last.count = Math.max(last.count, page + count - last.page);
    else runs.push({ page, count });
  }
  return { ...lost, runs };
}

function ending({ finished, poisoned }: Pick<EndedFrame, 'finished' | 'poisoned'>): string {
  if (!finished) return 'fell silent before it was finished';
  return poisoned > 0 ? `goes without ${poisoned} of its pages` : 'has all its pages';
}
