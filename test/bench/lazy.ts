// Late pages: `ckpt lazy-pages` beside `criu lazy-pages`, on one full set and with one criu restoring.
//   usage: node dist/test/bench/lazy.js [MIB]
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { dump, type Scene, restoreLazily, withScene, withServer } from '../serve/server.js';
import { oracleProgram } from '../support/paths.js';
import { procText } from '../support/proc.js';
import type { Target } from '../support/target.js';
import { until } from '../support/until.js';
import { median } from './goals.js';

const ROUNDS = 7;

interface Sample {
  /** From the start of criu restore until the copy has answered; it has touched every 16th page. */
  answerMs: number;
  /** Until the server has brought the last page, and ended. */
  allMs: number;
  /** Of a touch, as the copy sees it. */
  p50Us: number;
  p99Us: number;
  /** What the copy holds when it has answered, in MiB. */
  rssMib: number;
  faults?: number;
}

let copies = 0;

/** Restores a copy, has it answer, waits for `ended`, the server's end. */
async function useServer(scene: Scene, images: string, ended: Promise<unknown>): Promise<Sample> {
  const start = performance.now();
  const name = `copy${copies++}`;
  const copy = await restoreLazily(scene, images, name);
  try {
    await copy.ask(60_000);
    const answerMs = performance.now() - start;
    const rssMib = residentMib(copy);
    await ended;
    const allMs = performance.now() - start;
    const touches = readFileSync(join(scene.dir, name, 'touches'), 'utf8')
      .split(' ')
      .map(Number);
    return { answerMs, allMs, p50Us: touches[1]! / 1e3, p99Us: touches[2]! / 1e3, rssMib };
  } finally {
    await copy.end();
    rmSync(join(scene.dir, name), { recursive: true });
  }
}

function residentMib({ pid }: Target): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(procText(`/proc/${pid}/status`))![1]) / 1024;
}

async function byCriu(scene: Scene, images: string): Promise<Sample> {
  const words = ['lazy-pages', '-D', images, '-o', 'lazy-pages.log'];
  const server = execa(oracleProgram('4.2.1', 'criu'), words, { reject: false });
  try {
    await until('criu lazy-pages', () => existsSync(join(images, 'lazy-pages.socket')), 10_000);
    return await useServer(scene, images, server);
  } finally {
    server.kill('SIGKILL');
    await server;
    rmSync(join(images, 'lazy-pages.socket'), { force: true });
  }
}

/** Where only what is touched is brought, all is in when the copy has ended. */
async function byCkpt(scene: Scene, images: string, ...args: string[]): Promise<Sample> {
  const isPartial = args.includes('none');
  let sample: Sample | undefined;
  await withServer(images, args, async ({ ended }) => {
    sample = await useServer(scene, images, isPartial ? Promise.resolve() : ended);
    sample.faults = (await ended).served.sessions[0]!.faults;
  });
  return sample!;
}

const number = (value: number): string => value.toFixed(value < 10 ? 1 : 0).padStart(9);

function row(name: string, samples: Sample[]): void {
  const of = (key: keyof Sample) => median(samples.map((sample) => sample[key] ?? 0));
  const figures = [of('answerMs'), of('allMs'), of('p50Us'), of('p99Us'), of('rssMib')];
  console.log(name.padEnd(34) + figures.map(number).join(''));
}

function verdict(what: string, value: number, limit: number): void {
  const met = value <= limit ? 'met    ' : 'NOT MET';
  console.log(`${met}  ${value.toFixed(2)} of ${limit}  ${what}`);
}

/** How many faults a second restore has that brings first what the first one touched. */
async function recordedFaults(scene: Scene, images: string): Promise<number> {
  const record = join(scene.dir, 'record');
  const faults: number[] = [];
  for (const prefetch of ['none', 'recorded']) {
    const args = ['--record', record, '--prefetch', prefetch];
    faults.push((await byCkpt(scene, images, ...args)).faults!);
  }
  return faults[1]! / faults[0]!;
}

async function measure(scene: Scene, mib: string): Promise<void> {
  const images = await dump(scene, 'images');
  const [criu, ckpt, touched]: Sample[][] = [[], [], []];
  for (let n = 0; n <= ROUNDS; n++) {
    const runs = [
      async () => criu!.push(await byCriu(scene, images)),
      async () => ckpt!.push(await byCkpt(scene, images)),
    ];
    for (const run of n % 2 ? runs : runs.toReversed()) await run();
    touched!.push(await byCkpt(scene, images, '--prefetch', 'none'));
  }
  for (const samples of [criu!, ckpt!, touched!]) samples.shift(); // the first brings caches in
  const heads = ['answer ms', 'all ms', 'p50 us', 'p99 us', 'RSS MiB'];
  console.log(
    `\nLate pages, ${mib} MiB`.padEnd(35) + heads.map((head) => head.padStart(9)).join(''),
  );
  row('  criu lazy-pages', criu!);
  row('  ckpt lazy-pages', ckpt!);
  row('  ckpt lazy-pages, only touched', touched!);
  const ratio = (key: 'allMs' | 'p99Us') =>
    median(criu!.map((one, n) => ckpt![n]![key] / one[key]));
  console.log('');
  verdict("time until all pages are in / CRIU's", ratio('allMs'), 0.5);
  verdict("99th percentile of a touch / CRIU's", ratio('p99Us'), 1);
  verdict('faults of a restore after a record / before', await recordedFaults(scene, images), 0.1);
}

const mib = process.argv[2] ?? '512';
await withScene('lazymeter', (scene) => measure(scene, mib), [mib]);
