// What the clients of a redis-server feel of a dump, beside CRIU's and redis' own BGSAVE.
//   usage: node dist/test/bench/redis.js [MIB]
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { commandsOf } from '../live/modes.js';
import { knowsOption } from '../support/knows.js';
import { ckptInstalled } from '../support/paths.js';
import { Skip } from '../support/skip.js';
import { withTemp } from '../support/temp.js';
import { runCommand } from './command.js';
import { criu } from './dumpers.js';
import { median } from './goals.js';
import { runWithOwnRun } from './own-run.js';
import { LoadedRedis, type Latencies } from './redis-server.js';
import { warm } from './warm.js';

const ROUNDS = 5;
const RATE = 1000;
/** What a percentile is taken of, at least; what takes longer is seen to its end. */
const WINDOW_MS = 6000;

interface Scene {
  /** For the images, below it. */
  dir: string;
  redis: LoadedRedis;
  mib: number;
}

interface Sample extends Latencies {
  wallMs: number;
}

type Deed = (scene: Scene) => Promise<unknown>;

const byCkpt =
  (mode: 'plain' | 'max-pause'): Deed =>
  ({ dir, redis }) =>
    runCommand(
      [process.execPath, ckptInstalled, ...commandsOf(mode, redis.pid, dir, '-R')[0]!],
      false,
    );

const DEEDS: Record<string, Deed> = {
  'nothing else': async () => {},
  BGSAVE: ({ redis }) => redis.save(),
  'criu dump -R': ({ dir, redis }) =>
    runCommand([...criu(), 'dump', '-t', `${redis.pid}`, '-D', join(dir, 'images'), '-R'], false),
  'ckpt dump -R': byCkpt('plain'),
  'ckpt dump -R --max-pause 10ms': byCkpt('max-pause'),
};

/** What the client sees in a window in which the deed is done. */
async function sampleOf(scene: Scene, name: string): Promise<Sample> {
  const images = join(scene.dir, 'images');
  mkdirSync(images);
  warm(scene.dir, scene.mib);
  await scene.redis.latencies();
  const start = performance.now();
  await DEEDS[name]!(scene);
  const wallMs = performance.now() - start;
  await sleep(Math.max(0, WINDOW_MS - wallMs));
  const latencies = await scene.redis.latencies();
  rmSync(images, { recursive: true });
  return { ...latencies, wallMs };
}

const ms = (us: number): string => (us / 1000).toFixed(2).padStart(10);

/** Medians; the ratio to CRIU's p99.9 is the median of the rounds' ratios. */
function show(name: string, samples: Sample[], crius: Sample[]): void {
  const of = (key: keyof Sample): number => median(samples.map((sample) => sample[key]));
  const ratio = median(samples.map(({ p999 }, n) => p999 / crius[n]!.p999));
  const latencies = [of('p50'), of('p99'), of('p999')].map(ms).join('');
  const rest = `${ratio.toFixed(3)} x`.padStart(10) + ms(of('max'));
  console.log(name.padEnd(32) + latencies + rest + of('wallMs').toFixed(0).padStart(10));
}

async function measure(mib: number): Promise<void> {
  await withTemp(async (dir) => {
    const keys = Math.floor((mib << 20) / 4096);
    const redis = await LoadedRedis.start(join(dir, 'redis'), keys, RATE);
    try {
      const names = await deedsHere();
      const samples = Object.fromEntries(names.map((name) => [name, [] as Sample[]]));
      for (let n = 0; n <= ROUNDS; n++) {
        for (const name of n % 2 ? names : names.toReversed()) {
          const sample = await sampleOf({ dir, redis, mib }, name);
          if (n > 0) samples[name]!.push(sample); // the first brings caches in
        }
      }
      for (const name of names) show(name, samples[name]!, samples['criu dump -R']!);
    } finally {
      await redis.end();
    }
  });
}

async function deedsHere(): Promise<string[]> {
  const names = Object.keys(DEEDS);
  if (await knowsOption('dump', '--max-pause')) return names;
  console.log('SKIP ckpt dump has no --max-pause');
  return names.filter((name) => !name.includes('--max-pause'));
}

const [mib = '1024'] = process.argv.slice(2).filter((word) => word !== '--inside');
if (!process.argv.includes('--inside')) runWithOwnRun(fileURLToPath(import.meta.url));
const window = `${RATE} requests a second, windows of ${WINDOW_MS / 1000} s or more`;
console.log(`\nredis-server with ${mib} MiB, ${window}; latencies in ms`);
const heads = ['p50', 'p99', 'p99.9', '', 'max', 'wall'];
console.log(''.padEnd(32) + heads.map((head) => head.padStart(10)).join(''));
try {
  await measure(Number(mib));
} catch (error) {
  if (!(error instanceof Skip)) throw error;
  console.log(`SKIP redis: ${error.message}`);
}
