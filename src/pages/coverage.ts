/** Which pages there are of an owner: whether runs are all among them. */

import { firstEndingAfter } from './ranges.js';

/** Pages in a row. */
export interface Span {
  page: number;
  count: number;
}

export class Coverage {
  readonly #spans: Span[] = [];

  /** Adds pages behind all that were added before. */
  add({ page, count }: Span): void {
    const last = this.#spans.at(-1);
    if (last && last.page + last.count === page) last.count += count;
    else this.#spans.push({ page, count });
  }

  /** The first pages of a run that are not there; undefined where all are. */
  firstGap({ page, count }: Span): Span | undefined {
    const end = page + count;
    let i = firstEndingAfter(this.#spans, page);
    const span = this.#spans[i];
    if (span && span.page <= page) {
      page = span.page + span.count; // spans do not touch each other
      i++;
    }
    if (page >= end) return undefined;
    const next = this.#spans[i]?.page ?? Infinity;
    return { page, count: Math.min(next, end) - page };
  }
}
