/**
 * Where the helper program is: named by the environment, installed as the package for this
 * platform, or built in the checkout. An error lists every place tried, and why it would not do.
 */

import { accessSync, constants, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { CkptError } from '../errors.js';
import { packageRoot } from '../root.js';

const PROGRAM = 'ckpt-helper';
const PLATFORM = `${process.platform}-${process.arch}`;

/** A place to look at: how a person knows it, and a path, or why there is none. */
interface Place {
  name: string;
  path?: string;
  problem?: string;
}

/**
 * The path of an executable helper. `CKPT_HELPER` is binding: where it is set, nothing else counts.
 * Throws CkptError E_HELPER_NOT_FOUND.
 */
export function findHelper(env: NodeJS.ProcessEnv = process.env): string {
  const places = env.CKPT_HELPER
    ? [{ name: 'CKPT_HELPER', path: env.CKPT_HELPER }]
    : [platformPackage(), checkout()];
  const tried: string[] = [];
  for (const place of places) {
    const problem = place.problem ?? whyNotExecutable(place.path!);
    if (!problem) return place.path!;
    tried.push(`${place.name}: ${problem}`);
  }
  throw notFound(tried);
}

function platformPackage(): Place {
  const name = `ckpt-helper-${PLATFORM}`;
  try {
    return {
      name: `package ${name}`,
      path: createRequire(import.meta.filename).resolve(`${name}/${PROGRAM}`),
    };
  } catch {
    return { name: `package ${name}`, problem: 'not installed' };
  }
}

function checkout(): Place {
  return { name: 'checkout', path: join(packageRoot(), `npm/helper-${PLATFORM}`, PROGRAM) };
}

function whyNotExecutable(path: string): string | undefined {
  try {
    if (!statSync(path).isFile()) return `${path} is not a file`;
    accessSync(path, constants.X_OK);
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return `${path} does not exist`;
    return code === 'EACCES' ? `${path} is not executable` : `${path}: ${code}`;
  }
}

function notFound(tried: string[]): CkptError {
  return new CkptError(
    'E_HELPER_NOT_FOUND',
    `the helper program was not found; tried ${tried.join(', and ')}`,
    {
      remedy:
        'install ckpt with its optional dependencies, run `make build` in a checkout, or set CKPT_HELPER',
    },
  );
}
