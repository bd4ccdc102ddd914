#!/usr/bin/env node
/**
 * The command `ckpt`, as it is installed: the bundle (scripts/bundle.mjs), with what V8 compiled of
 * it when ckpt was built (scripts/warm.mjs). That saves 9 ms of the 41 that a small dump takes beside
 * Node's own start. V8 refuses a cache of another version of itself, and compiles as always. It tells
 * sources apart by their length alone: who writes the bundle has to remove the cache.
 */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { constants, Script } from 'node:vm';

const bundle = join(__dirname, '../../ckpt.cjs');

/** What V8 compiled of the bundle. */
export const cache = `${bundle}.cache`;

/** The bundle, ready to be run as Node runs a module. */
export function compile(): { script: Script; run: () => void } {
  const source = readFileSync(bundle, 'utf8').replace(/^#!.*/, '');
  const script = new Script(`(function (require, __filename, __dirname) {${source}\n})`, {
    filename: bundle,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    ...(existsSync(cache) && { cachedData: readFileSync(cache) }),
  });
  const run = (): void => script.runInThisContext()(require, bundle, dirname(bundle));
  return { script, run };
}

if (require.main === module) compile().run();
