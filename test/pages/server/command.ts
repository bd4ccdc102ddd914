// `ckpt page-server` as a user runs it.
import { execa } from 'execa';
import { ckptMain } from '../../support/paths.js';
import { until } from '../../support/until.js';

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs `use` with the address that the server prints; ends the server by SIGTERM, if it does not end itself. */
export async function withPageServer(
  args: string[],
  use: (address: string) => Promise<void>,
): Promise<Ended> {
  const child = execa(process.execPath, [ckptMain, 'page-server', ...args], {
    reject: false,
    stdin: 'ignore',
    timeout: 60_000,
  });
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
  } finally {
    child.kill('SIGTERM');
  }
  const { exitCode, stdout, stderr } = await child;
  return { code: exitCode ?? -1, stdout, stderr };
}
