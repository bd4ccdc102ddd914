#!/usr/bin/env node
/** The command `ckpt`. */

import { run } from './run.js';

process.exitCode = 1; // until it is known better
void run(process.argv.slice(2)).then((code) => process.exit(code)); // all is written: see print.ts
