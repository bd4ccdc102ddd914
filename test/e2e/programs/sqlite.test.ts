// SQLite in the middle of a transaction: refused for its file locks, or taken along with them, so
// that nobody else gets at the database until it commits.
import { existsSync, openSync, readFileSync, rmSync, writeSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { mustRefuse } from '../../support/refusal.js';
import { needs, orSkip } from '../../support/skip.js';
import type { Program, Target } from '../../support/target.js';
import { until } from '../../support/until.js';
import { testProgram } from './programs.js';

/** Large enough that the changed pages do not all fit into SQLite's cache of 50 pages. */
const FILL = `PRAGMA cache_size = 50;
  CREATE TABLE visits (n INTEGER PRIMARY KEY, text TEXT);
  BEGIN EXCLUSIVE;
  WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 5000)
    INSERT INTO visits SELECT n, hex(randomblob(100)) FROM numbers;`;

class Sqlite implements Program {
  readonly name = 'sqlite3';
  private readonly command3 = needs('sqlite3');
  private filled = false;

  command(state: string): string[] {
    const script = 'mkfifo "$1/input" && exec "$0" "$1/database" <>"$1/input"';
    return ['sh', '-c', script, this.command3, state];
  }

  /** Statements of the session that holds the lock. */
  private tell(target: Target, statements: string): void {
    const input = openSync(join(target.state, 'input'), 'w');
    writeSync(input, `${statements}\n`);
    closeSync(input);
  }

  /** What that session's query gives: it knows only the original's path of the state folder. */
  private async query(target: Target, query: string): Promise<string> {
    const answer = join(target.state, 'answer');
    this.tell(target, `.once ${join(target.told, 'answer')}\nSELECT (${query}) || '.';`);
    const text = (): string => (existsSync(answer) ? readFileSync(answer, 'utf8') : '');
    const line = await until('an answer of sqlite3', () => text().endsWith('.\n') && text());
    rmSync(answer);
    return line.slice(0, -2);
  }

  /** A process of its own asks the database. */
  private async outsider(target: Target, query: string): Promise<string> {
    const words = [join(target.state, 'database'), query];
    return (await execa(this.command3, words, { all: true, reject: false })).all;
  }

  async isReady(target: Target): Promise<boolean> {
    if (!existsSync(join(target.state, 'input'))) return false;
    if (!this.filled) this.tell(target, FILL);
    this.filled = true;
    return (await this.query(target, 'SELECT count(*) FROM visits')) === '5000';
  }

  /** Nobody else can read until the transaction ends, then all of it is there, and the next begins. */
  async ask(target: Target): Promise<number> {
    const count = Number(await this.query(target, 'SELECT count(*) FROM visits'));
    assert.match(await this.outsider(target, 'SELECT 1 FROM visits'), /database is locked/);
    this.tell(target, 'COMMIT;');
    const committed = async (): Promise<boolean> =>
      (await this.outsider(target, 'SELECT count(*) FROM visits')) === `${count}`;
    await until('the commit', committed);
    assert.is(await this.outsider(target, 'PRAGMA integrity_check'), 'ok');
    this.tell(target, "BEGIN EXCLUSIVE; INSERT INTO visits(text) VALUES ('one more');");
    return Number(await this.query(target, 'SELECT count(*) FROM visits'));
  }
}

testProgram('sqlite3', () => new Sqlite(), { args: ['--file-locks'] });

const names = /pid \d+: fd \d+ -> \S+\/database: .*--file-locks/;
test('sqlite3 in a transaction is refused without --file-locks', () =>
  orSkip('sqlite3', async () => {
    await mustRefuse({ fixture: 'sqlite3', program: new Sqlite(), names }, 'ckpt');
  }));

test.run();
