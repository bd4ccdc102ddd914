// A dump as a process of its own, which a test can kill: the orchestrator, and the helper below it.
import { existsSync } from 'node:fs';
import { keep, type Keeper } from '../support/keeper.js';
import { ckptInstalled } from '../support/paths.js';
import { descendants, procText } from '../support/proc.js';

export class DumpCommand {
  private constructor(
    private readonly keeper: Keeper,
    /** When it was started, by performance.now(). */
    readonly start: number,
  ) {}

  /** Starts `ckpt dump WORDS`. Its keeper reaps a helper that has lost its parent. */
  static async start(words: string[]): Promise<DumpCommand> {
    const start = performance.now();
    return new DumpCommand(await keep([process.execPath, ckptInstalled, 'dump', ...words]), start);
  }

  get orchestrator(): number {
    return this.keeper.started;
  }

  /** The helper's pid, as long as it is there. */
  get helper(): number | undefined {
    return descendants(this.orchestrator).find((pid) =>
      procText(`/proc/${pid}/comm`).startsWith('ckpt-helper'),
    );
  }

  get isRunning(): boolean {
    return existsSync(`/proc/${this.orchestrator}`);
  }

  /** Kills one of the two by SIGKILL; false where it is not there (any more). */
  kill(which: 'orchestrator' | 'helper'): boolean {
    const pid = this[which];
    if (pid === undefined || !this.isRunning) return false;
    process.kill(pid, 'SIGKILL');
    return true;
  }

  /** Waits until both are gone; the orchestrator's exit code, or its signal below zero. */
  async ended(limitMs = 20_000): Promise<number> {
    const timer = setTimeout(() => void this.keeper.end(), limitMs);
    await this.keeper.gone;
    clearTimeout(timer);
    if (performance.now() - this.start > limitMs) throw new Error('ckpt or its helper did not end');
    return this.keeper.ended.get(this.orchestrator)!;
  }
}
