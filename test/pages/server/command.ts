// `ckpt page-server` as a user runs it.
import { execa } from 'execa';
import { ckptMain } from '../../support/paths.js';
import { until } from '../../support/until.js';

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

interface Options {
  env?: Record<string, string>;
  /** It ends by itself, when it has what it wants. */
  waits?: boolean;
  /** Kills it. */
  killed?: AbortSignal;
}

/** Runs `use` with the address that the server prints; then a SIGTERM ends the server. */
export async function withPageServer(
  args: string[],
  use: (address: string) => Promise<void>,
  { env = {}, waits = false, killed }: Options = {},
): Promise<Ended> {
  const child = execa(process.execPath, [ckptMain, 'page-server', ...args], {
    env,
    reject: false,
    stdin: 'ignore',
    timeout: 60_000,
  });
  killed?.addEventListener('abort', () => child.kill('SIGKILL'));
  let output = '';
  child.stderr.on('data', (chunk) => (output += chunk));
  let isOver = false;
  void child.then(() => (isOver = true));
  try {
    const address = await until('ckpt page-server listens', () => {
      if (isOver) throw new Error(`it has ended: ${output}`);
      return /listening on (\S+)$/m.exec(output)?.[1];
    });
    await use(address);
    if (!waits) child.kill('SIGTERM');
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  const { exitCode, stdout, stderr } = await child;
  return { code: exitCode ?? -1, stdout, stderr };
}
