// Node: timers, an HTTP server, a thread, a child.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import type { Program, Target } from '../../support/target.js';
import { answering, beside, source, testProgram } from './programs.js';

const { execPath } = process;

/** A client of its own asks the HTTP server. */
async function visit(target: Target): Promise<void> {
  const url = `http://127.0.0.1:${readFileSync(join(target.state, 'port'), 'utf8')}/from-outside`;
  const client = `fetch('${url}').then((a) => a.json()).then((a) => console.log(a.url))`;
  const answer = await beside(target, [execPath, '-e', client]);
  if (answer !== '/from-outside') throw new Error(`the server answers ${answer}`);
}

const node: Program = {
  ...answering('node', execPath, source('node.mjs')),
  async ask(target) {
    await visit(target);
    return target.askByFiles();
  },
};

testProgram('node', () => node, { versions: ['4.2.1', '4.1.1'] });

test.run();
