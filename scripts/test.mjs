#!/usr/bin/env node
// Runs every suite in a process of its own, one after the other, so that none that crashes, hangs
// or exits early can hide another; lets their output through and closes with one line over all of
// them: `N passed, M failed` and, if any were, `, K skipped`. Exit code 1 if anything failed.
//
//   usage: test.mjs [PART]...     with PARTs: only the test files whose path contains one of them
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

// coreutils' timeout puts the suite in a process group of its own and ends all of it.
const timeout = ['timeout', '--kill-after=10', process.env.CKPT_TEST_TIMEOUT ?? '600'];

// A group of its own hears no Ctrl-C: pass the end on to the suite that runs.
let running;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    running?.kill('SIGTERM');
    process.exit(1);
  });
}

const none = { passed: 0, failed: 0, skipped: 0 };

/** Adds up [passed, failed, skipped] of each of cargo's `test result` lines, one a binary. */
function countCargo(output) {
  const lines = output.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/gm);
  return [...lines].reduce(
    (sum, [, passed, failed, ignored]) => ({
      passed: sum.passed + Number(passed),
      failed: sum.failed + Number(failed),
      skipped: sum.skipped + Number(ignored),
    }),
    none,
  );
}

/** Reads uvu's summary. A file without one crashed; a before hook that throws shows only in Total. */
function countUvu(output) {
  const summary = /^ +Total: +(\d+)\n +Passed: +(\d+)\n +Skipped: +(\d+)$/gm;
  const [total, passed, skipped] = [...output.matchAll(summary)].at(-1)?.slice(1).map(Number) ?? [];
  return total === undefined ? { ...none, failed: 1 } : { passed, failed: total - passed, skipped };
}

/** A test that cannot run here prints `SKIP reason` and returns: it did not pass, it was skipped. */
function moveSkips(count, output) {
  const skips = Math.min(count.passed, output.match(/\bSKIP \S/g)?.length ?? 0);
  return { ...count, passed: count.passed - skips, skipped: count.skipped + skips };
}

/** Runs one suite and resolves to its counts; an exit code without a failed test is a failure. */
async function run({ name, command, count }) {
  process.stdout.write(`\n== ${name}\n`);
  const [file, ...args] = [...timeout, ...command];
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  running = child;
  let output = '';
  child.stdout.on('data', (chunk) => process.stdout.write(((output += chunk), chunk)));
  child.stderr.on('data', (chunk) => process.stderr.write(((output += chunk), chunk)));
  const closed = new Promise((resolve) => child.once('close', resolve));
  const code = await new Promise((resolve) => {
    child.once('error', (error) => resolve((console.error(error.message), 1)));
    child.once('exit', (status, signal) => resolve(signal ?? status));
  });
  // What a suite leaves running may hold its pipes open: its output ends with the suite.
  await Promise.race([closed, sleep(2000, undefined, { ref: false })]);
  child.stdout.destroy();
  child.stderr.destroy();
  if (code !== 0) console.log(`== ${name}: ended with ${code}`);
  const counts = moveSkips(count(output), output);
  return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

/** The uvu files, found by their sources, so that what lingers in dist of a deleted one is not run. */
function testFiles(parts) {
  return readdirSync('test', { recursive: true })
    .filter((file) => file.endsWith('.test.ts'))
    .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)))
    .sort()
    .map((file) => join('dist/test', file.replace(/\.ts$/, '.js')))
    .map((file) => ({ name: file, command: ['node', file], count: countUvu }));
}

const parts = process.argv.slice(2);
const cargo = ['cargo', 'test', '--locked', '--no-fail-fast', '--', '--show-output'];
const suites = [
  { name: 'the oracle', command: ['test/oracle/setup.sh'], count: () => none },
  ...(parts.length === 0 ? [{ name: 'cargo test', command: cargo, count: countCargo }] : []),
  ...(existsSync('test') ? testFiles(parts) : []),
];

const sum = { ...none };
const broken = [];
for (const suite of suites) {
  const counts = await run(suite);
  for (const key of Object.keys(sum)) sum[key] += counts[key];
  if (counts.failed > 0) broken.push(suite.name);
}
if (broken.length > 0) console.log(`\nfailed: ${broken.join(', ')}`);
const skipped = sum.skipped > 0 ? `, ${sum.skipped} skipped` : '';
console.log(`${sum.passed} passed, ${sum.failed} failed${skipped}`);
process.exitCode = sum.failed > 0 ? 1 : 0;
