/** A bar on stderr while page data moves, where that takes long and someone watches. */

import { isatty } from 'node:tty';
import type { SingleBar } from 'cli-progress';
import { now } from '../clock.js';
import type { Progress } from '../dump/options.js';
import type { ServeProgress } from '../serve/options.js';
import { say } from './print.js';
import { bytes } from './units.js';

/** What takes less than this goes without, in milliseconds. */
const PATIENCE_MS = 500;
const PAGE = 4096;

/** Phases that count pages. */
const LABELS: Record<string, string> = {
  copy: 'copying pages',
  write: 'writing the store',
  serve: 'bringing pages',
};

type AnyProgress = Progress | ServeProgress;

export class ProgressBar {
  readonly #isWanted = isatty(2) && process.env.TERM !== 'dumb';
  readonly #start = now();
  #bar: SingleBar | undefined;
  #isLoading = false;
  #isShown = false;
  #isOver = false;

  constructor(private readonly patience = PATIENCE_MS) {}

  update(progress: AnyProgress): void {
    const { phase, done, total } = progress;
    if (!this.#isWanted || this.#isOver || !LABELS[phase] || total === 0) return;
    if (done === total) this.#hide();
    else if (this.#bar) this.#show(this.#bar, progress);
    else if (now() - this.#start > this.patience) void this.#load(progress);
  }

  /** A line that stays, above the bar. */
  say(line: string): void {
    this.#hide();
    say(line);
  }

  stop(): void {
    this.#isOver = true;
    this.#hide();
  }

  async #load(progress: AnyProgress): Promise<void> {
    if (this.#isLoading) return;
    this.#isLoading = true;
    const { default: cliProgress } = await import('cli-progress');
    this.#bar = new cliProgress.SingleBar({
      format: '{label} [{bar}] {percentage}%  {size}',
      stream: process.stderr,
      clearOnComplete: true,
      barCompleteChar: '=',
      barIncompleteChar: ' ',
    });
    if (!this.#isOver) this.#show(this.#bar, progress);
  }

  #show(bar: SingleBar, progress: AnyProgress): void {
    const { phase, done, total } = progress;
    const shown = { label: LABELS[phase], size: sizes(progress) };
    if (!this.#isShown) bar.start(total, done, shown);
    bar.setTotal(total);
    bar.update(done, shown);
    this.#isShown = true;
  }

  #hide(): void {
    if (this.#isShown) this.#bar!.stop();
    this.#isShown = false;
  }
}

function sizes({ done, total }: AnyProgress): string {
  return `${bytes(done * PAGE)} of ${bytes(total * PAGE)}`;
}
