// Skipping, with a printed reason: `SKIP name: reason`, which the test runner counts.

import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Thrown where this machine cannot show what a test is about. */
export class Skip extends Error {}

/** Runs a test that needs root, and may throw Skip. */
export async function orSkip(name: string, test: () => Promise<void>): Promise<void> {
  try {
    if (process.getuid?.() !== 0) throw new Skip('needs root');
    await test();
  } catch (error) {
    if (!(error instanceof Skip)) throw error;
    console.log(`SKIP ${name}: ${error.message}`);
  }
}

/** Skips a test whose program this machine does not have. */
export function needs(command: string, ...places: string[]): string {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...places];
  const found = folders.map((folder) => join(folder, command)).find((path) => existsSync(path));
  if (found === undefined) throw new Skip(`no ${command} here`);
  return found;
}
