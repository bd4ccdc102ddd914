// The sample process, and what can be seen of it.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { keep, type Keeper } from '../support/keeper.js';
import { fixture } from '../support/paths.js';
import { until } from '../support/until.js';

export interface State {
  count: number;
  /** How far its threads have counted. */
  threads: number;
  /** How far its child has counted, in memory that both share. */
  shared: number;
  /** Checksum of its table, as it has just found it. */
  sum: string;
}

export class Counter {
  private constructor(
    private readonly file: string,
    readonly keeper: Keeper,
    readonly pid: number,
  ) {}

  static async start(file: string): Promise<Counter> {
    const keeper = await keep([fixture('counter'), file]);
    const counter = new Counter(file, keeper, keeper.started);
    await until('first count', () => counter.tryRead(), 20_000);
    return counter;
  }

  /** The copy that a restore has brought up under `keeper`, its file and pid being the same. */
  restored(keeper: Keeper): Counter {
    return new Counter(this.file, keeper, this.pid);
  }

  private tryRead(): State | undefined {
    try {
      const [count, threads, shared, sum] = readFileSync(this.file, 'utf8').trim().split(' ');
      return sum ? { count: +count!, threads: +threads!, shared: +shared!, sum } : undefined;
    } catch {
      return undefined;
    }
  }

  read(): State {
    return this.tryRead()!;
  }

  /** Its state when it has counted on from where it is now. */
  async next(): Promise<State> {
    const { count } = this.read();
    return until('next count', () => this.read().count !== count && this.read());
  }

  /** Calls `show` with its state, a few times a second. */
  async watch(times: number, show: (state: State) => void): Promise<void> {
    for (let i = 0; i < times; i++) {
      show(await this.next());
      await sleep(250);
    }
  }
}
