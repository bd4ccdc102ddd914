// What the measurements are held against.
import type { Measured, Round } from './measure.js';
import { nameOf } from './cells.js';

export interface Goal {
  cell: string;
  what: string;
  value: number;
  limit: number;
  unit: 'x' | 'MB';
  met: boolean;
}

const MILLION = 1_000_000;

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The longest pause that a dump without pages may cause, in milliseconds. */
export function skipLimitMs({ scanMs }: Round, threads: number): number {
  return 1.5 + 1.3 * scanMs + 0.06 * threads;
}

/** How a full dump compares with CRIU's: the median of the rounds' ratios. */
export function ratio({ samples }: Measured, key: 'pauseMs' | 'wallMs'): number {
  return median(samples.map(({ dumps }) => dumps['ckpt full'][key] / dumps['criu full'][key]));
}

function goalsOf(measured: Measured): Goal[] {
  const { mib, threads, ranges, samples, peakKib } = measured;
  const goal = (what: string, value: number, limit: number, unit: Goal['unit']): Goal => ({
    ...{ cell: nameOf(measured), what, value, limit, unit, met: value <= limit },
  });
  const ofLimit = samples.map(
    (round) => round.dumps['ckpt skip'].pauseMs / skipLimitMs(round, threads),
  );
  const peakMb = (mode: 'ckpt full' | 'ckpt skip') => (peakKib[mode] * 1024) / MILLION;
  return [
    goal('skip-pages pause / (1.5 ms + 1.3 scans + 60 us a thread)', median(ofLimit), 1, 'x'),
    goal("full dump's pause / CRIU's", ratio(measured, 'pauseMs'), 1, 'x'),
    // A process of a few megabytes is about starting up: it may take twice as long.
    goal("full dump's wall time / CRIU's", ratio(measured, 'wallMs'), mib > 8 ? 1 : 2, 'x'),
    ...(ranges >= MILLION
      ? [
          goal('memory for a million entries, full', peakMb('ckpt full'), 200, 'MB'),
          goal('memory for a million entries, skip-pages', peakMb('ckpt skip'), 200, 'MB'),
        ]
      : []),
  ];
}

export const goals = (cells: Measured[]): Goal[] => cells.flatMap(goalsOf);
