/** What the helper is asked for, and what becomes of the tree in the end. */

import type { DumpRequest, FinishRequest } from '../helper/protocol.js';
import type { DumpOptions } from './options.js';

/** CRIU's own limit, in bytes. */
const GHOST_LIMIT = 2 ** 20;
/** Far more than it ever takes where it goes well: what is left shrinks from round to round. */
const MAX_ROUNDS = 30;
const COPY = { all: 'none', lazy: 'unlazy' } as const;

/** The dump of `options`, its files to be made in the folder `dir`; `runId` is its own id. */
export function requestOf(options: DumpOptions, dir: string, runId: string): DumpRequest {
  const { tree, skipPages, pageStore, ghostLimit = GHOST_LIMIT, timeout = 0 } = options;
  return {
    op: 'dump',
    tree,
    images_dir: dir,
    after: afterOf(options),
    copy: skipPages && pageStore === undefined ? COPY[skipPages] : 'all',
    pages_name: 'pages-{}.img',
    ghost_limit: ghostLimit,
    timeout_ms: Math.round(timeout * 1000),
    ...liveOf(options),
    ...tcpOf(options, runId),
  };
}

function liveOf(options: DumpOptions): Pick<DumpRequest, 'live'> {
  const { maxPause, maxRounds = MAX_ROUNDS, onSlow = 'fail' } = options;
  if (maxPause === undefined) return {};
  const max_pause_us = Math.round(maxPause * 1000);
  return { live: { max_pause_us, max_rounds: maxRounds, on_slow: onSlow } };
}

/** CRIU's name for the table, by which its restore finds it. */
function tcpOf(options: DumpOptions, runId: string): Pick<DumpRequest, 'tcp'> {
  const { tcpEstablished, tcpClose, networkLock = 'nftables' } = options;
  if (!tcpEstablished || tcpClose) return {};
  return { tcp: networkLock === 'skip' ? {} : { lock: `CRIU-${runId}` } };
}

/** What becomes of the tree, once the set is complete. */
export function actionOf({ leaveRunning, leaveStopped }: DumpOptions): FinishRequest['action'] {
  if (leaveRunning) return 'run';
  return leaveStopped ? 'stop' : 'kill';
}

/** Whether the tree waits for that: one that goes on need not, unless scripts are to see it frozen. */
export function isHeld(options: DumpOptions): boolean {
  return actionOf(options) !== 'run' || Boolean(options.actionScript?.length);
}

function afterOf(options: DumpOptions): DumpRequest['after'] {
  const action = actionOf(options);
  return action === 'run' && isHeld(options) ? 'stop' : action;
}
