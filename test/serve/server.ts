// `ckpt lazy-pages` beside a test, and copies that stock criu restores from it.
import { existsSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import type { ServeResult } from '../../src/serve/options.js';
import { ckpt } from '../cli/ckpt.js';
import { mustDump } from '../support/dump.js';
import { ckptMain, type CriuVersion } from '../support/paths.js';
import { procText } from '../support/proc.js';
import { restore } from '../support/restore.js';
import { Target } from '../support/target.js';
import { withTemp } from '../support/temp.js';
import { until } from '../support/until.js';

/** What `--json` prints. */
export interface Served extends ServeResult {
  ok: boolean;
}

export interface Server {
  /** As it says while it runs. */
  said(): string;
  signal(name: NodeJS.Signals): void;
  /** Of its helper. */
  helper(): number;
  /** Its end: what it printed, and its exit code. */
  ended: Promise<{ code: number; served: Served }>;
}

/** Runs `use` while `ckpt lazy-pages` serves the set in `images`; whatever is left of it is killed. */
export async function withServer(
  images: string,
  args: string[],
  use: (server: Server) => Promise<void>,
  env: Record<string, string> = {},
): Promise<void> {
  const words = [ckptMain, 'lazy-pages', '-D', images, '--json', ...args];
  const child = execa(process.execPath, words, { env, reject: false, stdin: 'ignore' });
  let said = '';
  child.stderr!.on('data', (text) => (said += text));
  const ended = child.then(({ exitCode, stdout, stderr }) => {
    if (!stdout) throw new Error(`ckpt lazy-pages: ${exitCode} ${stderr}`);
    return { code: exitCode ?? -1, served: JSON.parse(stdout) as Served };
  });
  ended.catch(() => {}); // heard of by whoever waits for it
  try {
    const isReady = (): boolean => said.includes('serving pages');
    await Promise.race([until('ckpt serves', isReady, 20_000), ended]);
    await use({
      said: () => said,
      signal: (name) => void child.kill(name),
      helper: () => Number(procText(`/proc/${child.pid}/task/${child.pid}/children`)),
      ended,
    });
  } finally {
    child.kill('SIGKILL');
    await child;
  }
}

/** A fixture that stands still, and a folder for dumps of it. */
export interface Scene {
  dir: string;
  original: Target;
  beats: number;
}

export async function withScene(
  fixture: string,
  use: (scene: Scene) => Promise<void>,
  args: string[] = [],
): Promise<void> {
  await withTemp(async (dir) => {
    const original = await Target.start(fixture, join(dir, 'state'), args);
    try {
      await use({ dir, original, beats: await original.ask() });
    } finally {
      await original.end();
    }
  });
}

/** Dumps the fixture, which stands still from then on, into a folder of that name. */
export async function dump({ dir, original }: Scene, name: string, ...args: string[]) {
  const images = join(dir, name);
  await mustDump('ckpt', original.pid, images, { args: ['-s', ...args] });
  return images;
}

/** The flat store of a set, taken from the original, which stands still. */
export async function storeOf({ dir, original }: Scene, images: string): Promise<string> {
  const store = join(dir, 'store');
  const from = `process:${original.pid}`;
  const { code, stderr } = await ckpt(['fill', '-D', images, '--from', from, '--store', store]);
  assert.is(code, 0, stderr);
  return store;
}

/** Restores a copy lazily, in fresh namespaces, under a state folder of its own. */
export async function restoreLazily(
  { dir, original }: Scene,
  images: string,
  name = 'copy',
  args: string[] = [],
  version?: CriuVersion,
): Promise<Target> {
  const state = join(dir, name);
  if (!existsSync(state)) await cp(original.state, state, { recursive: true });
  return restore(images, original, { state, version, args: ['--lazy-pages', ...args] });
}

/** Has the copy prove its state, several times. */
export async function prove(copy: Target, beats: number, times = 2): Promise<void> {
  try {
    for (let i = 0; i < times; i++) assert.ok((await copy.ask(30_000)) >= beats);
  } finally {
    await copy.end();
  }
}

/** The end of a server that had nothing to complain of. */
export async function endsWell({ ended }: Server): Promise<Served> {
  const { code, served } = await ended;
  assert.is(code, 0, JSON.stringify(served));
  assert.ok(served.ok && served.sessions.every(({ finished }) => finished));
  return served;
}
