/** Counts what a server of pages tells, and says the few things of it that somebody may want to read. */

import type { EndedFrame, FailedFrame, ServeFrame } from '../helper/protocol.js';
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
    return { sessions: this.#sessions, lost: [...this.#lost.values()] };
  }

  #lose({ pid, count, reason }: FailedFrame): void {
    const lost = this.#lost.get(pid);
    if (lost) {
      lost.pages += count;
      return;
    }
    this.#lost.set(pid, { pid, pages: count, reason });
    this.say(`process ${pid} loses pages: ${reason}`);
  }

  #end({ t: _, session, latency_us: latencyUs, us: timeUs, ...counts }: EndedFrame): void {
    this.#sessions.push({ ...counts, latencyUs, timeUs });
    const how = counts.finished ? 'has all its pages' : 'fell silent before it was finished';
    this.say(`restore ${session} ${how}`);
  }
}
