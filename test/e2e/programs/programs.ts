// Whole programs through both checkpoints: dumped and left running with a copy restored beside
// them, and dumped, killed and restored in their place.
import { join } from 'node:path';
import { execa } from 'execa';
import { test } from 'uvu';
import { run } from '../../support/cycle.js';
import { dumper } from '../../support/dump.js';
import { checkout, type CriuVersion } from '../../support/paths.js';
import { orSkip } from '../../support/skip.js';
import type { Program, Target } from '../../support/target.js';

/** A program's text, which stays where the tests' sources are. */
export const source = (name: string): string => join(checkout, 'test/e2e/programs', name);

/** A program that answers through the files of its state folder, as fixtures do. */
export const answering = (name: string, ...command: string[]): Program => ({
  name,
  command: (state) => [...command, state],
});

/** Runs a command in a target's network, as its client; resolves to what it prints. */
export async function beside(target: Target, command: string[], input = ''): Promise<string> {
  const enter = [`--net=/proc/${target.pid}/ns/net`, ...command];
  const { stdout } = await execa('nsenter', enter, { input, timeout: 20_000 });
  return stdout;
}

interface Options {
  /** Options of the dump and the restore. */
  args?: string[];
  /** The CRIUs that restore. */
  versions?: CriuVersion[];
}

/** Registers the tests of a program; what makes it may throw Skip. */
export function testProgram(
  name: string,
  make: () => Program | Promise<Program>,
  { args, versions = ['4.2.1'] }: Options = {},
): void {
  for (const version of versions) {
    const title = `${name}, criu ${version}`;
    const cycle = async (): Promise<void> =>
      run({ fixture: name, program: await make(), options: args }, dumper, version);
    test(title, () => orSkip(title, cycle));
  }
}
