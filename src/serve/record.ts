/**
 * The order in which pages were touched, for a later restore that brings them in that order: a line
 * of text for each run, `PID PAGE COUNT`, PAGE an address divided by 4096.
 */

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { CkptError } from '../errors.js';
import type { PlanRequest, TouchedFrame } from '../helper/protocol.js';
import { attempt } from '../images/file.js';

const HEADER = 'ckpt-record 1';
/** Runs in a frame. */
const RUNS = 32 * 1024;

/** What is recorded, until it is written as a whole. */
export class Recorder {
  #lines = [HEADER];

  constructor(readonly path: string) {}

  add({ pid, runs }: TouchedFrame): void {
    for (let i = 0; i < runs.length; i += 2) this.#lines.push(`${pid} ${runs[i]} ${runs[i + 1]}`);
  }

  /** Throws CkptError E_WRITE or E_NO_SPACE; then what was there stays. */
  write(): void {
    const draft = `${this.path}.ckpt-${process.pid}`;
    try {
      attempt('write', this.path, () => {
        writeFileSync(draft, `${this.#lines.join('\n')}\n`, { mode: 0o600, flag: 'wx' });
        renameSync(draft, this.path);
      });
    } finally {
      rmSync(draft, { force: true });
    }
  }
}

/** What was recorded in `path`, by process. Throws CkptError E_READ, or E_IMAGE_CORRUPT naming the line. */
export function readRecord(path: string): PlanRequest[] {
  const lines = attempt('read', path, () => readFileSync(path, 'utf8'))
    .trimEnd()
    .split('\n');
  if (lines.shift() !== HEADER) throw corrupt(path, 1, `it does not begin with '${HEADER}'`);
  const plans = new Map<number, number[]>();
  lines.forEach((line, i) => {
    const [, pid, ...run] = /^(\d{1,10}) (\d{1,15}) (\d{1,15})$/.exec(line) ?? [];
    if (pid === undefined) throw corrupt(path, i + 2, 'it is not PID PAGE COUNT');
    const runs = plans.get(Number(pid)) ?? [];
    plans.set(Number(pid), runs);
    runs.push(...run.map(Number));
  });
  return [...plans].flatMap(([pid, runs]) => frames(pid, runs));
}

function frames(pid: number, runs: number[]): PlanRequest[] {
  return Array.from({ length: Math.ceil(runs.length / (2 * RUNS)) }, (_, i) => ({
    op: 'plan',
    pid,
    runs: runs.slice(i * 2 * RUNS, (i + 1) * 2 * RUNS),
  }));
}

function corrupt(path: string, line: number, reason: string): CkptError {
  return new CkptError('E_IMAGE_CORRUPT', `${path}, line ${line}: ${reason}`, { path });
}
