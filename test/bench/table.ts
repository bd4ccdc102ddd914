// The measurements for people.
import { nameOf } from './cells.js';
import type { Mode } from './dumpers.js';
import { median, ratio, skipLimitMs, type Goal } from './goals.js';
import type { Measured } from './measure.js';

const TITLES: Record<Mode, string> = {
  'criu full': 'criu dump',
  'ckpt full': 'ckpt dump',
  'ckpt skip': 'ckpt dump --skip-pages',
};

function row(...cells: string[]): string {
  const widths = [-26, 10, 12, 10, 9, 10, 10];
  const pad = (text: string, i: number): string =>
    widths[i]! < 0 ? text.padEnd(-widths[i]!) : text.padStart(widths[i]!);
  return cells.map(pad).join('').trimEnd();
}

const number = (value: number): string => value.toFixed(value < 100 ? 2 : 0);
const times = (value: number): string => `${value.toFixed(2)} x`;
const mb = (bytes: number): string => (bytes / 1e6).toFixed(1);

/** What the pause and the wall time are held against. */
function against(measured: Measured, mode: Mode): [string, string] {
  if (mode === 'criu full') return ['', ''];
  if (mode === 'ckpt full') {
    return [times(ratio(measured, 'pauseMs')), times(ratio(measured, 'wallMs'))];
  }
  const limits = measured.samples.map((round) => skipLimitMs(round, measured.threads));
  return [`of ${number(median(limits))}`, ''];
}

function line(measured: Measured, mode: Mode): string {
  const of = (key: 'pauseMs' | 'wallMs'): number =>
    median(measured.samples.map(({ dumps }) => dumps[mode][key]));
  const [pause, wall] = against(measured, mode);
  const peak = mb(measured.peakKib[mode] * 1024);
  const memory = [mb(measured.bytes[mode]), peak];
  return row(
    `  ${TITLES[mode]}`,
    number(of('pauseMs')),
    pause,
    number(of('wallMs')),
    wall,
    ...memory,
  );
}

export const heading = row('', 'pause ms', '', 'wall ms', '', 'MB', 'peak MB');

/** A cell: what it is, and a line a mode. */
export function section(measured: Measured): string {
  const scan = number(median(measured.samples.map(({ scanMs }) => scanMs)));
  const title = `${nameOf(measured)}  (bare scan ${scan} ms, ${measured.ranges} ranges)`;
  const modes = Object.keys(TITLES) as Mode[];
  return [title, ...modes.map((mode) => line(measured, mode))].join('\n');
}

export function goalLine({ cell, what, value, limit, unit, met }: Goal): string {
  const verdict = met ? 'met    ' : 'NOT MET';
  return `${verdict}  ${value.toFixed(2)} of ${limit} ${unit}  ${what}  (${cell})`;
}
