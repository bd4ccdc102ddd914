/** The version, as the package has it. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../root.js';

export function versionLine(): string {
  const manifest = readFileSync(join(packageRoot(), 'package.json'), 'utf8');
  return `ckpt ${(JSON.parse(manifest) as { version: string }).version}`;
}
