/** Tracking what a process tree writes, by itself: started, told of, stopped. */

import { CkptError } from '../errors.js';
import { HelperClient } from '../helper/client.js';
import { findHelper } from '../helper/find.js';
import { startHelper } from '../helper/start.js';

export interface TrackOptions {
  /** Pid of the root of the tree. */
  tree: number;
  action: 'start' | 'stop' | 'status';
  /** Seconds that it may take. Default: no limit. */
  timeout?: number;
}

export interface Tracking {
  /** Pid of the process that holds it on; undefined once it is stopped. */
  keeper?: number;
  /** Id of the set that the next may be compared with; undefined if there is none. */
  setId?: string;
  /** Seconds since that set, or since tracking was started. */
  age?: number;
  /** Address spaces that are tracked. */
  spaces: number;
  /** Of these: pages that hold data, and those of them that were written since, or are not tracked. */
  pages: number;
  written: number;
}

const ACTIONS = ['start', 'stop', 'status'];

/**
 * Starts or stops tracking what a tree writes, or tells of it; to start what is tracked already only
 * tells. Throws CkptError: E_USAGE, E_NOT_TRACKED, and what a dump of the tree would throw.
 */
export async function track({ tree, action, timeout = 0 }: TrackOptions): Promise<Tracking> {
  if (!ACTIONS.includes(action)) {
    const given = action === undefined ? 'an action is missing' : `'${String(action)}'`;
    throw usage(`track: ${given}: one of ${ACTIONS.join(', ')}`);
  }
  if (tree === undefined) throw usage('--tree PID is missing: which process is it about?');
  if (!Number.isSafeInteger(tree) || tree < 1) throw usage(`--tree: ${tree} is no pid`);
  if (!(timeout >= 0)) throw usage(`--timeout: ${timeout} is no time`);
  const client = new HelperClient(startHelper(findHelper()));
  try {
    await client.greet();
    const timeout_ms = Math.round(timeout * 1000);
    const frame = await client.track({ op: 'track', tree, action, timeout_ms });
    const { keeper, epoch, since_s: age, spaces, pages, written } = frame;
    return {
      ...(keeper !== undefined && { keeper }),
      ...(epoch !== undefined && { setId: epoch }),
      ...(age !== undefined && { age }),
      ...{ spaces, pages, written },
    };
  } finally {
    await client.close();
  }
}

function usage(message: string): CkptError {
  return new CkptError('E_USAGE', message);
}
