/** The folder of the package, wherever in it this code stands: as a module, or in the bundle. */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

let found: string | undefined;

export function packageRoot(): string {
  return (found ??= climb(import.meta.dirname));
}

function climb(dir: string): string {
  return existsSync(join(dir, 'package.json')) ? dir : climb(dirname(dir));
}
