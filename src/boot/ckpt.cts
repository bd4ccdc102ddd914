#!/usr/bin/env node
/** The command `ckpt`, as it is installed. */

import { compile } from './compile.cjs';

compile().run();
