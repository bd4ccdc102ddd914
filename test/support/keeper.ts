// Starts processes under a keeper (test/fixtures/keeper.c), which reaps them, tells how they
// ended, and ends all of them with us.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fixture } from './paths.js';
import { until } from './until.js';

export interface KeepOptions {
  /** Fresh pid, mount and network namespaces, in which `source` is seen at `target`. */
  fresh?: { source: string; target: string };
  /** Give the command a terminal of its own. */
  tty?: boolean;
}

export interface Keeper {
  /** The command's pid, as its pid namespace has it. */
  started: number;
  /** How the processes that were reaped ended: an exit code, or a signal's number below zero. */
  ended: Map<number, number>;
  /** Pids, as we see them, of the processes that the keeper is the parent of. */
  children(): number[];
  /** Resolves when the last process is gone and the keeper too. */
  gone: Promise<void>;
  /** Kills all that is left. */
  end(): Promise<void>;
}

function childrenOf(pid: number): number[] {
  try {
    const list = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return list === '' ? [] : list.split(' ').map(Number);
  } catch {
    return [];
  }
}

function keeperArgs(command: string[], { fresh, tty }: KeepOptions): string[] {
  return [
    ...(fresh ? ['--fresh', fresh.source, fresh.target] : []),
    ...(tty ? ['--tty'] : []),
    ...command,
  ];
}

/** Starts `command` as a session leader without a terminal, under a keeper. */
export async function keep(command: string[], options: KeepOptions = {}): Promise<Keeper> {
  const child = spawn(fixture('keeper'), keeperArgs(command, options), {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child, 'spawn');
  const gone = once(child, 'close').then(() => undefined);
  const ended = new Map<number, number>();
  let started: number | undefined;
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [event, pid, detail] = line.split(' ');
    if (event === 'started') started = Number(pid);
    else ended.set(Number(pid), event === 'killed' ? -Number(detail) : Number(detail));
  });
  const parent = (): number => (options.fresh ? (childrenOf(child.pid!)[0] ?? 0) : child.pid!);
  return {
    started: await until(`start of ${command[0]}`, () => started),
    ended,
    children: () => childrenOf(parent()),
    gone,
    async end() {
      child.stdin.end();
      await gone;
    },
  };
}
