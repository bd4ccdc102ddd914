// The life of a fixture through two checkpoints, which is what every fixture is for.
import { join } from 'node:path';
import { execa } from 'execa';
import { withHugePages } from './hugepages.js';
import { mustDump, type Dumper } from './dump.js';
import { restore } from './restore.js';
import { Skip } from './skip.js';
import { Target, type Program } from './target.js';
import type { CriuVersion } from './paths.js';
import { withTemp } from './temp.js';

export interface Cycle {
  fixture: string;
  /** What runs instead, if it is no fixture. */
  program?: Program;
  /** Arguments of the fixture after its state folder. */
  args?: string[];
  /** Options of the dump and of the restore, where the behaviour needs one. */
  options?: string[];
  /** Runs on a terminal of its own. */
  tty?: boolean;
  /** Arguments of one of the same fixture that runs outside of the tree, with its state in `beside`. */
  beside?: string[];
  /** No copy can be beside the original: its files must not even be opened. */
  alone?: boolean;
  /** How many huge pages have to be in the machine's pool, for the original and a copy. */
  hugePages?: number;
  /** What CRIU loses or refuses where it is itself the dumper: then the cycle has to fail. */
  criu?: string;
}

/** Asks a copy twice: what a check puts back must be found again. It has to have gone on. */
async function prove(copy: Target, beats: number): Promise<void> {
  try {
    const first = await copy.ask();
    if (first < beats) throw new Error(`the copy's beats went back from ${beats} to ${first}`);
    await copy.ask();
  } finally {
    await copy.end();
  }
}

interface Stage {
  cycle: Cycle;
  original: Target;
  dumper: Dumper;
  /** For images and copies. */
  dir: string;
  /** The CRIU that restores. */
  version?: CriuVersion;
}

/** Dumped and left running: both the original and a copy beside it have to hold. */
async function leaveRunning({ cycle, original, dumper, dir, version }: Stage): Promise<void> {
  const { tty, options: args } = cycle;
  const images = join(dir, 'running');
  const state = join(dir, 'copy');
  const beats = await original.ask();
  await mustDump(dumper, original.pid, images, { leaveRunning: true, args, version });
  await execa('cp', ['-a', original.state, state]);
  await prove(await restore(images, original, { state, tty, args, version }), beats);
  await original.ask();
}

/** Dumped and killed: a copy in its place, under its own pids, has to hold. */
async function replace({ cycle, original, dumper, dir, version }: Stage): Promise<void> {
  const { tty, options: args } = cycle;
  const images = join(dir, 'killed');
  const beats = await original.ask();
  await mustDump(dumper, original.pid, images, { args, version });
  await original.gone();
  await prove(await restore(images, original, { tty, args, version }), beats);
}

/**
 * Runs a fixture through both ways; throws at the first fault.
 * @param version the CRIU that restores, and dumps where CRIU is the dumper
 */
export async function run(cycle: Cycle, dumper: Dumper, version?: CriuVersion): Promise<void> {
  await withHugePages(cycle.hugePages ?? 0, () => runIn(cycle, dumper, version));
}

async function runIn(cycle: Cycle, dumper: Dumper, version?: CriuVersion): Promise<void> {
  await withTemp(async (dir) => {
    const { fixture, program, args, tty } = cycle;
    const beside = cycle.beside && (await Target.start(fixture, join(dir, 'beside'), cycle.beside));
    const original = await Target.start(program ?? fixture, join(dir, 'state'), args, { tty });
    try {
      const stage = { cycle, original, dumper, dir, version };
      if (!cycle.alone) await leaveRunning(stage);
      await replace(stage);
    } finally {
      await original.end();
      await beside?.end();
    }
  });
}

/** As run, but where CRIU is known to fail as a dumper, it has to: or the catalogue is out of date. */
export async function runAsKnown(cycle: Cycle, dumper: Dumper): Promise<void> {
  if (dumper !== 'criu' || cycle.criu === undefined) return run(cycle, dumper);
  const fault = await run(cycle, dumper).catch((error: Error) => error);
  if (fault instanceof Skip) throw fault;
  if (!fault) throw new Error(`criu can do it now: ${cycle.criu}`);
}
