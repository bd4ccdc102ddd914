/** Stock criu, which does the restoring. */

import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { CkptError } from '../errors.js';

/** How a shell tells that a program was killed. */
const KILLED = 128;

/** Runs it to its end, on our terminal; its exit code. Throws CkptError E_CRIU where it cannot be started. */
export function runCriu(
  criu: string,
  args: string[],
  { signal, quiet = false }: { signal?: AbortSignal | undefined; quiet?: boolean | undefined },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(criu, args, { stdio: ['inherit', quiet ? 2 : 'inherit', 'inherit'] });
    const stop = (): void => void child.kill('SIGTERM');
    signal?.addEventListener('abort', stop, { once: true });
    child.once('error', ({ message }) => {
      const details = { path: criu, remedy: 'install criu, or name it with --criu PATH' };
      reject(new CkptError('E_CRIU', `${criu} cannot be started: ${message}`, details));
    });
    child.once('exit', (code, name) => {
      signal?.removeEventListener('abort', stop);
      resolve(code ?? KILLED + constants.signals[name!]);
    });
  });
}
