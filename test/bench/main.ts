// ckpt beside CRIU: pause, time, bytes and memory, in the same run. docs/performance.md has the method.
//   usage: node dist/test/bench/main.js [--quick] [--json]
import { freemem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { allCells, nameOf, quickCells, type Cell } from './cells.js';
import { runCommand } from './command.js';
import { goals, median } from './goals.js';
import { measure, type Measured } from './measure.js';
import { runWithOwnRun } from './own-run.js';
import { goalLine, heading, section } from './table.js';

const { values } = parseArgs({
  options: { quick: { type: 'boolean' }, json: { type: 'boolean' }, inside: { type: 'boolean' } },
});

/** The target, the images, and room for everything else. */
const fits = ({ mib }: Cell): boolean => (2 * mib + 1024) * 2 ** 20 < freemem();

/** What Node alone takes to start and end: no command written for it can be quicker. */
async function nodeMs(): Promise<number> {
  const runs: number[] = [];
  for (let i = 0; i < 9; i++) {
    runs.push((await runCommand([process.execPath, '-e', '0'], false)).wallMs);
  }
  return median(runs);
}

async function run(): Promise<void> {
  const print = values.json ? () => {} : console.log;
  const cells: Measured[] = [];
  const node = await nodeMs();
  print(`${process.version} alone: ${node.toFixed(1)} ms from start to exit\n`);
  print(heading);
  for (const cell of values.quick ? quickCells : allCells) {
    if (!fits(cell)) {
      print(`${nameOf(cell)}: left out, too little free memory`);
      continue;
    }
    const measured = await measure(cell);
    print(section(measured));
    cells.push(measured);
  }
  const verdicts = goals(cells);
  if (values.json) console.log(JSON.stringify({ nodeMs: node, cells, goals: verdicts }));
  else print(['', 'Goals', ...verdicts.map(goalLine)].join('\n'));
}

if (!values.inside) runWithOwnRun(fileURLToPath(import.meta.url));
await run();
