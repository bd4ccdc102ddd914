/**
 * CRIU's action scripts: programs that the user has run at stages of a dump. They start in the work
 * folder, as CRIU's do, and learn the stage and the rest from the environment. What they print goes
 * to our stderr: stdout belongs to the result.
 */

import { CkptError } from '../errors.js';
import type { Session } from './session.js';

/** Runs every script for one stage. Throws CkptError E_ACTION_SCRIPT for the first that fails. */
export async function runScripts(
  action: 'pre-dump' | 'post-dump',
  { options, folders, limit: { signal } }: Session,
): Promise<void> {
  const scripts = options.actionScript ?? [];
  if (scripts.length === 0) return;
  const { execa } = await import('execa'); // a dump without scripts need not wait for it to load
  const env = {
    CRTOOLS_SCRIPT_ACTION: action,
    CRTOOLS_IMAGE_DIR: folders.images,
    CRTOOLS_INIT_PID: `${options.tree}`,
  };
  for (const script of scripts) {
    const result = await execa(script, {
      cwd: folders.work,
      env,
      stdio: ['inherit', 2, 2],
      reject: false,
      cancelSignal: signal,
      cleanup: false, // which would take SIGINT and its like for itself: cancelSignal is how we end
    });
    signal.throwIfAborted();
    if (result.failed) throw failure(action, script, result.originalMessage ?? ending(result));
  }
}

function ending({ signal, exitCode }: { signal?: string; exitCode?: number }): string {
  return signal ?? `exit status ${exitCode}`;
}

function failure(action: string, script: string, how: string): CkptError {
  return new CkptError('E_ACTION_SCRIPT', `action script ${script} failed at ${action}: ${how}`);
}
