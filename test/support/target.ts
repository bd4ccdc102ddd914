// A running fixture, original or restored: what the tests ask questions of.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { keep, type KeepOptions, type Keeper } from './keeper.js';
import { fixture } from './paths.js';
import { Skip } from './skip.js';
import { until } from './until.js';

/** A program that is no fixture: how it is started and, where it is not asked as they are, how. */
export interface Program {
  name: string;
  /** The command, for a state folder. */
  command(state: string): string[];
  /** Whether it is set up; otherwise STATE/ready tells. */
  isReady?(target: Target): Promise<boolean>;
  /** Has it prove its state, or throws with what is wrong; gives a count that never goes back. */
  ask?(target: Target): Promise<number>;
}

/**
 * A fixture in whose threads the kernel keeps no rseq area: it would write the processor's number into
 * that one's memory even of a process that is stopped.
 */
export function withoutRseq(name: string, args: string[]): Program {
  const tunables = 'GLIBC_TUNABLES=glibc.pthread.rseq=0';
  return { name, command: (state) => ['env', tunables, fixture(name), state, ...args] };
}

/** A program that is asked as fixtures are. */
const asFixture = (name: string, args: string[]): Program => ({
  name,
  command: (state) => [fixture(name), state, ...args],
});

function text(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

export class Target {
  private constructor(
    readonly keeper: Keeper,
    /** The root's pid as we see it. */
    readonly pid: number,
    /** Its state folder as we see it. */
    readonly state: string,
    /** The same as it was told: the original's, in whose place it sees its own. */
    readonly told: string,
    readonly phase: 'original' | 'restored',
    /** How many checks it has answered. */
    private round: number,
    private readonly program: Program,
  ) {}

  /** Starts a fixture, or another program, with a new state folder; waits until it is set up. */
  static async start(
    what: string | Program,
    state: string,
    args: string[] = [],
    options: KeepOptions = {},
  ): Promise<Target> {
    const program = typeof what === 'string' ? asFixture(what, args) : what;
    await mkdir(state);
    const keeper = await keep(program.command(state), options);
    const target = new Target(keeper, keeper.started, state, state, 'original', 0, program);
    try {
      await until(`${program.name} is set up`, () => target.isReady(), 20000);
      return target;
    } catch (error) {
      await keeper.end();
      throw error;
    }
  }

  /** A copy that CRIU has just brought up under `keeper`; it has answered as many checks as we. */
  restored(keeper: Keeper, state: string): Target {
    const [pid] = keeper.children();
    if (pid === undefined) throw new Error('nothing runs after the restore');
    return new Target(keeper, pid, state, this.told, 'restored', this.round, this.program);
  }

  private isReady(): boolean | Promise<boolean> {
    const death = this.death();
    const skip = text(join(this.state, 'skip'));
    if (skip !== undefined) throw new Skip(skip.trim());
    const failed = text(join(this.state, 'failed'));
    if (failed !== undefined) throw new Error(`set-up: ${failed}`);
    if (death !== undefined) throw new Error(death);
    return this.program.isReady?.(this) ?? existsSync(join(this.state, 'ready'));
  }

  /** How it has ended, if it has. */
  private death(): string | undefined {
    if (existsSync(`/proc/${this.pid}`)) return undefined;
    const own = this.keeper.ended.get(this.keeper.started);
    const how = this.phase === 'original' ? own : undefined;
    if (how === undefined) return `the ${this.phase} is gone`;
    return how < 0 ? `killed by signal ${-how}` : `exited with ${how}`;
  }

  private answer(n: number): string | undefined {
    const death = this.death();
    const answer = text(join(this.state, `result.${n}`));
    if (answer === undefined && death !== undefined) throw new Error(death);
    return answer;
  }

  /** Has it verify its state; throws with the faults it names. Resolves to its count of beats. */
  ask(limit?: number): Promise<number> {
    return this.program.ask ? this.program.ask(this) : this.askByFiles(limit);
  }

  /** Asks as fixtures are asked. */
  async askByFiles(limit = 10000): Promise<number> {
    const n = ++this.round;
    const check = join(this.state, `check.${n}`);
    writeFileSync(`${check}.draft`, `${this.phase}\n`);
    renameSync(`${check}.draft`, check);
    const what = `answer ${n} of the ${this.phase}`;
    const answer = await until(what, () => this.answer(n), limit);
    if (!answer.startsWith('ok')) throw new Error(`${what}: ${answer.trim()}`);
    return Number(answer.split(' ')[1]);
  }

  /** Resolves when a dump has killed all of it. */
  gone(): Promise<void> {
    return this.keeper.gone;
  }

  /** Kills what is left of it. */
  end(): Promise<void> {
    return this.keeper.end();
  }
}
