// One command from start to exit: how long it takes, and how much memory it and its children need.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { descendants } from '../support/proc.js';

export interface Outcome {
  wallMs: number;
  stdout: string;
  /** The peaks of all its processes added up: no less than what they had at once. */
  peakKib: number;
}

const LIMIT_MS = 120_000;

/** As a user's: where this variable is set, Node reads all its certificates first, for 30 ms. */
const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;

/** Runs it to its end; where `sample` is set, looks at its memory every 2 ms, which costs it time. */
export async function runCommand([file, ...args]: string[], sample: boolean): Promise<Outcome> {
  const start = performance.now();
  const child = spawn(file!, args, { env, timeout: LIMIT_MS, killSignal: 'SIGKILL' });
  const peaks = new Map<number, number>();
  const sampler = sample ? setInterval(() => lookAt(child.pid!, peaks), 2) : undefined;
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const closed = once(child, 'close');
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  const wallMs = performance.now() - start;
  clearInterval(sampler);
  await closed;
  if (code !== 0)
    throw new Error(`${file} ${args.join(' ')}: ${signal ?? code}\n${stderr}${stdout}`);
  return { wallMs, stdout, peakKib: [...peaks.values()].reduce((sum, peak) => sum + peak, 0) };
}

/** VmHWM of a process and all below it, which never falls while they live. */
function lookAt(root: number, peaks: Map<number, number>): void {
  for (const pid of [root, ...descendants(root)]) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      const peak = /^VmHWM:\s+(\d+) kB/m.exec(status)?.[1];
      if (peak) peaks.set(pid, Number(peak));
    } catch {
      // it has ended meanwhile
    }
  }
}
