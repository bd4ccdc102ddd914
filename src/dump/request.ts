/** What the helper is asked for, and what becomes of the tree in the end. */

import type {
  DumpRequest,
  FinishRequest,
  PreDumpRequest,
  TrackRequest,
} from '../helper/protocol.js';
import type { DumpOptions } from './options.js';
import type { Session } from './session.js';

/** CRIU's own limit, in bytes. */
const GHOST_LIMIT = 2 ** 20;
/** Far more than it ever takes where it goes well: what is left shrinks from round to round. */
const MAX_ROUNDS = 30;
const COPY = { all: 'none', lazy: 'unlazy' } as const;

/** What the helper is to do for a session, its files to be made in the folder `dir`. */
export function requestOf(session: Session, dir: string): DumpRequest | PreDumpRequest {
  const { options } = session;
  const common = {
    tree: options.tree,
    images_dir: dir,
    pages_name: 'pages-{}.img',
    timeout_ms: Math.round((options.timeout ?? 0) * 1000),
  };
  const track = trackOf(session);
  if (session.isPreDump) return { op: 'predump', ...common, track: track! };
  const { skipPages, pageStore, ghostLimit = GHOST_LIMIT } = options;
  return {
    op: 'dump',
    ...common,
    after: afterOf(options),
    copy: skipPages && pageStore === undefined ? COPY[skipPages] : 'all',
    ghost_limit: ghostLimit,
    ...liveOf(options),
    ...(track && { track }),
    ...(options.snapshot && { snapshot: true }),
    ...tcpOf(session),
  };
}

function liveOf(options: DumpOptions): Pick<DumpRequest, 'live'> {
  const { maxPause, maxRounds = MAX_ROUNDS, onSlow = 'fail' } = options;
  if (maxPause === undefined) return {};
  const max_pause_us = Math.round(maxPause * 1000);
  return { live: { max_pause_us, max_rounds: maxRounds, on_slow: onSlow } };
}

function trackOf(session: Session): TrackRequest | undefined {
  const since = session.parent?.set.id;
  const epoch = isTracked(session) ? session.setId : undefined;
  if (epoch === undefined && since === undefined) return undefined;
  return {
    ...(epoch !== undefined && { epoch }),
    ...(since !== undefined && { since }),
  };
}

/** Whether writes are tracked from this set on: of a tree that ends there is nothing to track. */
function isTracked({ options }: Session): boolean {
  return Boolean(options.trackMem) && actionOf(options) !== 'kill';
}

/** CRIU's name for the table, by which its restore finds it. */
function tcpOf({ options, setId }: Session): Pick<DumpRequest, 'tcp'> {
  const { tcpEstablished, tcpClose, networkLock = 'nftables' } = options;
  if (!tcpEstablished || tcpClose) return {};
  return { tcp: networkLock === 'skip' ? {} : { lock: `CRIU-${setId}` } };
}

/** What becomes of the tree, once the set is complete. */
export function actionOf({ leaveRunning, leaveStopped }: DumpOptions): FinishRequest['action'] {
  if (leaveRunning) return 'run';
  return leaveStopped ? 'stop' : 'kill';
}

/** Whether the helper waits to hear that the set is complete: with the tree, or with its tracking. */
export function isAwaited(session: Session): boolean {
  return isHeld(session.options) || isTracked(session);
}

/** Whether the tree waits for that: one that goes on need not, unless scripts are to see it frozen. */
function isHeld(options: DumpOptions): boolean {
  return actionOf(options) !== 'run' || Boolean(options.actionScript?.length);
}

function afterOf(options: DumpOptions): DumpRequest['after'] {
  const action = actionOf(options);
  return action === 'run' && isHeld(options) ? 'stop' : action;
}
