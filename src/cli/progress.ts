/** A bar on stderr while page data is copied, where that takes long and someone watches. */

import { isatty } from 'node:tty';
import type { SingleBar } from 'cli-progress';
import { now } from '../clock.js';
import type { Progress } from '../dump/options.js';
import { bytes } from './units.js';

/** Copies shorter than this go without, in milliseconds. */
const PATIENCE_MS = 500;
const PAGE = 4096;

export class ProgressBar {
  readonly #isWanted = isatty(2) && process.env.TERM !== 'dumb';
  readonly #start = now();
  #bar: SingleBar | undefined;
  #isLoading = false;
  #isOver = false;

  constructor(private readonly patience = PATIENCE_MS) {}

  update(progress: Progress): void {
    if (!this.#isWanted || progress.phase !== 'copy') return;
    if (this.#bar) this.#bar.update(progress.done, { size: sizes(progress) });
    else if (now() - this.#start > this.patience) void this.#begin(progress);
  }

  stop(): void {
    this.#isOver = true;
    this.#bar?.stop();
  }

  async #begin(progress: Progress): Promise<void> {
    if (this.#isLoading) return;
    this.#isLoading = true;
    const { default: cliProgress } = await import('cli-progress');
    if (this.#isOver) return;
    this.#bar = new cliProgress.SingleBar({
      format: 'copying pages [{bar}] {percentage}%  {size}',
      stream: process.stderr,
      clearOnComplete: true,
      barCompleteChar: '=',
      barIncompleteChar: ' ',
    });
    this.#bar.start(progress.total, progress.done, { size: sizes(progress) });
  }
}

function sizes({ done, total }: Progress): string {
  return `${bytes(done * PAGE)} of ${bytes(total * PAGE)}`;
}
