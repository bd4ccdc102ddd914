#!/usr/bin/env node
// docs/coverage.md from what the end-to-end tests have found (dist/coverage/*.jsonl). Rows of tests that
// were skipped stay as they are.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const TABLE = 'docs/coverage.md';
const HEAD = `# What is dumped

Each row is a fixture (\`test/fixtures\`; the head of its source says what it holds) in one of its kinds. In
parentheses: the options that it takes. Made by \`make coverage\`; the tests fail where it is out of date.

**CRIU** is about a dump of the same fixture by stock criu 4.2.1 here (Linux 6.18, root without CAP_SYS_RESOURCE).
`;
const SECTIONS = [
  [
    'fixtures',
    'Dumped',
    'Dumped, restored by stock criu 4.2.1, and asked whether all of it still holds.',
  ],
  [
    'refusals',
    'Refused',
    'Refused in these words (N: numbers), and asked whether it goes on unharmed.',
  ],
];

const old = existsSync(TABLE) ? readFileSync(TABLE, 'utf8').split('\n') : [];

function section([name, title, about]) {
  const lines = readFileSync(`dist/coverage/${name}.jsonl`, 'utf8').trim().split('\n');
  const rows = lines.map((line) => {
    const { subject, row } = JSON.parse(line);
    return row ?? old.find((known) => known.startsWith(`| ${subject} |`));
  });
  const table = [
    '| Fixture | CRIU | ckpt |',
    '| --- | --- | --- |',
    ...rows.filter(Boolean).sort(),
  ];
  return `\n## ${title}\n\n${about}\n\n${table.join('\n')}\n`;
}

writeFileSync(TABLE, HEAD + SECTIONS.map(section).join(''));
