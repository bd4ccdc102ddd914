// One dump, by ckpt or by CRIU: both are driven through the same options.
import { existsSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { ckptMain, oracleProgram, type CriuVersion } from './paths.js';

export type Dumper = 'ckpt' | 'criu';

/** Whose dump the tests are about: ckpt's, or CRIU's where the fixtures themselves are in doubt. */
export const dumper = (process.env.CKPT_DUMPER ?? 'ckpt') as Dumper;

export interface DumpOptions {
  leaveRunning?: boolean;
  /** More options, under the names that both take. */
  args?: string[];
  /** Which CRIU, where CRIU is the dumper. */
  version?: CriuVersion;
}

export interface DumpResult {
  code: number;
  /** What it said: its output, and for CRIU the error lines of its log. */
  output: string;
  stdout: string;
}

/** The error lines of one of CRIU's logs, or its last lines where it names none. */
export function errorsOf(log: string): string {
  if (!existsSync(log)) return `(no ${log})`;
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
  const errors = lines.filter((line) => /\bError\b/.test(line));
  return (errors.length > 0 ? errors : lines.slice(-5)).join('\n');
}

/** Dumps the tree of `pid` into `images`, a new folder; failure shows in the code. */
export async function dump(
  dumper: Dumper,
  pid: number,
  images: string,
  { leaveRunning = false, args = [], version = '4.2.1' }: DumpOptions = {},
): Promise<DumpResult> {
  await mkdir(images, { recursive: true });
  const common = ['dump', '-t', `${pid}`, '-D', images, ...(leaveRunning ? ['-R'] : []), ...args];
  const [file, words] =
    dumper === 'ckpt'
      ? [process.execPath, [ckptMain, ...common]]
      : [oracleProgram(version, 'criu'), [...common, '-o', 'dump.log', '-v4']];
  const { exitCode, all, stdout } = await execa(file, words, {
    all: true,
    reject: false,
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  const failed = exitCode !== 0 && dumper === 'criu';
  const output = failed ? `${all}\n${errorsOf(join(images, 'dump.log'))}` : all;
  return { code: exitCode ?? -1, output, stdout };
}

/** As dump, but throws where it fails. */
export async function mustDump(...args: Parameters<typeof dump>): Promise<DumpResult> {
  const result = await dump(...args);
  if (result.code !== 0) throw new Error(`dump by ${args[0]}: ${result.code}\n${result.output}`);
  return result;
}
