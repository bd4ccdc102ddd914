/** The end of a dump: the set takes its place, and the tree gets what it was promised. */

import { CkptError } from '../errors.js';
import type { HelperClient } from '../helper/client.js';
import { removePidfile, tellReady, writePidfile } from './notices.js';
import type { DumpOptions } from './options.js';
import { actionOf, isAwaited } from './request.js';
import { runScripts } from './scripts.js';
import type { Session } from './session.js';

/**
 * The set takes its place, and then the tree gets what it was promised. Where the helper dies over
 * that, the set stays: the tree may have ended. Resolves to the pause, if it is told here.
 */
export async function conclude(
  session: Session,
  client: HelperClient,
  staging: string,
  names: string[],
): Promise<number | undefined> {
  const { options, folders, limit, store } = session;
  const { publish, retract } = await import('./darkroom.js');
  const undo: (() => void)[] = [];
  try {
    limit.check();
    store?.finish();
    undo.push(() => store?.retract());
    publish(staging, folders.images, names);
    undo.push(() => retract(folders.images, names));
    writePidfile(options, folders.work);
    undo.push(() => removePidfile(options, folders.work));
    await runScripts('post-dump', session);
    tellReady(options);
    limit.check();
    limit.lift();
    if (!isAwaited(session)) return undefined;
    const { times_us } = await client.finish(actionOf(options));
    return times_us?.frozen;
  } catch (error) {
    if (isDeath(error)) throw uncertainEnd(error, options);
    for (const step of undo) step();
    throw error;
  }
}

function isDeath(error: unknown): error is CkptError {
  return error instanceof CkptError && error.code === 'E_HELPER_DIED';
}

function uncertainEnd({ code, message }: CkptError, options: DumpOptions): CkptError {
  const tree = `the set is complete, but what became of process ${options.tree} is not known`;
  return new CkptError(code, `${message}; ${tree}`);
}
