// What the end-to-end tests find, as rows of docs/coverage.md: recorded in dist/coverage, from where
// scripts/coverage.mjs makes the table; a run fails where the table says something else.
import { appendFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { checkout } from './paths.js';
import { Skip } from './skip.js';

/** A fixture in one of its kinds, and the options that it takes. */
interface Subject {
  fixture: string;
  args?: string[] | undefined;
  options?: string[] | undefined;
}

interface Found {
  /** The row's first cell, which tells it from the others. */
  subject: string;
  /** The whole row; absent where the test was skipped. */
  row?: string;
}

const folder = join(checkout, 'dist/coverage');
const table = join(checkout, 'docs/coverage.md');

function nameOf({ fixture, args = [], options = [] }: Subject): string {
  const needs = options.length > 0 ? ` (\`${options.join(' ')}\`)` : '';
  return `\`${[fixture, ...args].join(' ')}\`${needs}`;
}

const escaped = (text: string): string => text.replaceAll('|', '\\|');

/** A refusal's own words, without what differs from run to run. */
export function wordsOf(output: string): string {
  const line = output.split('\n').find((line) => line.startsWith('ckpt: ')) ?? output;
  return line
    .replace('ckpt: ', '')
    .replace(/\/\S*\/ckpt-test-\w+\/state/g, 'STATE')
    .replace(/\b(?=[a-f]*\d)[0-9a-f]{6,}\b/g, 'N')
    .replace(/\d+/g, 'N');
}

/** A section of the table. */
export class Coverage {
  readonly #file: string;
  readonly #found: Found[] = [];

  constructor(
    name: string,
    readonly title: string,
  ) {
    mkdirSync(folder, { recursive: true });
    this.#file = join(folder, `${name}.jsonl`);
    rmSync(this.#file, { force: true });
  }

  /** Runs a test, which tells what ckpt makes of its subject; `criu`: what CRIU does as the dumper. */
  async of(subject: Subject, criu: string, test: () => Promise<string>): Promise<void> {
    const name = nameOf(subject);
    try {
      const ckpt = await test();
      this.#add({ subject: name, row: `| ${name} | ${escaped(criu)} | ${escaped(ckpt)} |` });
    } catch (error) {
      if (error instanceof Skip) this.#add({ subject: name });
      throw error;
    }
  }

  #add(found: Found): void {
    this.#found.push(found);
    appendFileSync(this.#file, `${JSON.stringify(found)}\n`);
  }

  /** Throws where the committed section has not the rows that were found, or has others. */
  check(): void {
    const section = readFileSync(table, 'utf8').split(`\n## ${this.title}\n`)[1]?.split('\n## ')[0];
    const rows = (section ?? '').split('\n').filter((line) => line.startsWith('| `'));
    const missing = this.#found.flatMap(({ row = [] }) => row).filter((row) => !rows.includes(row));
    const subjects = this.#found.map(({ subject }) => `| ${subject} |`);
    const stale = rows.filter((row) => !subjects.some((subject) => row.startsWith(subject)));
    if (missing.length + stale.length === 0) return;
    const lines = [...missing.map((row) => `+ ${row}`), ...stale.map((row) => `- ${row}`)];
    throw new Error(`docs/coverage.md is out of date (make coverage):\n${lines.join('\n')}`);
  }
}
