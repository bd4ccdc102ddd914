// Where the tests find what they run: fixtures, the oracle's programs, ckpt's own command.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout, as seen from dist/test/support. */
export const checkout = fileURLToPath(new URL('../../..', import.meta.url));

/** The program of test/fixtures/NAME.c. */
export const fixture = (name: string): string => join(checkout, 'dist/fixtures', name);

/** ckpt's command line, as arguments of node. */
export const ckptMain = join(checkout, 'dist/src/cli/main.js');

/** The same as it is installed: one file, and what V8 compiled of it. `make build` makes both. */
export const ckptInstalled = join(checkout, 'dist/src/boot/ckpt.cjs');

/** CRIU's releases that serve as judges: what the tests use, and the one before it. */
export type CriuVersion = '4.2.1' | '4.1.1';

const oracle = process.env.CKPT_ORACLE_DIR ?? join(checkout, '.cache/oracle');

/** A program of the oracle that test/oracle/setup.sh unpacked. */
export function oracleProgram(version: CriuVersion, program: 'criu' | 'crit'): string {
  const path = join(oracle, version, program);
  if (!existsSync(path)) throw new Error(`${path} is missing: run test/oracle/setup.sh`);
  return path;
}
