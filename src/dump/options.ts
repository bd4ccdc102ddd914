/** What a dump can be told, under CRIU's names; the refusal of what cannot be. */

import { fstatSync } from 'node:fs';
import { CkptError } from '../errors.js';

/** Where a dump is, for who watches it; `done` of `total` pages for `copy` and `write`, tasks before. */
export interface Progress {
  phase: 'freeze' | 'capture' | 'copy' | 'write';
  done: number;
  total: number;
}

export interface DumpOptions {
  /** Pid of the root of the tree. */
  tree: number;
  /** An existing folder. A checkpoint in it is replaced, once the new one is complete. */
  imagesDir: string;
  /** An existing folder for log, pidfile and statistics; relative names lead from here. Default: `imagesDir`. */
  workDir?: string;

  /** Let the tree run on. By default it is killed, once the set is complete. */
  leaveRunning?: boolean;
  /** Leave the tree stopped, as SIGSTOP does. */
  leaveStopped?: boolean;

  /** List pages without writing them: `all`, or only those that a lazy restore can take late. */
  skipPages?: 'all' | 'lazy';

  /** With `skipPages`: a new file, or a block device, that gets all pages, as `file:PATH` reads them. */
  pageStore?: string;

  /**
   * Milliseconds that the tree may be paused for: pages are copied in rounds while it runs, until
   * the rest can be copied in that time.
   */
  maxPause?: number;
  /** Rounds after which that is given up. Default: 30. */
  maxRounds?: number;
  /** What is done then: dump nevertheless, fail (default), or slow the tree down first. */
  onSlow?: 'dump' | 'fail' | 'throttle';

  /**
   * The images hold the memory as it was at the freeze, but are copied after it: each process makes
   * a child, in the pause, which keeps it by copy-on-write. With `leaveRunning` only.
   */
  snapshot?: boolean;

  /** Track what the tree writes from this dump on, so that it can be the parent of the next. */
  trackMem?: boolean;
  /**
   * The set before this one, relative to `imagesDir`: pages that have not changed since are left to
   * it, if tracking reaches back to it. With `skipPages`, changed and unchanged pages are told apart.
   */
  prevImagesDir?: string;
  /** Punch out of the parents what this set replaces; they can be restored no more by themselves. */
  autoDedup?: boolean;

  shellJob?: boolean;
  fileLocks?: boolean;
  /** Datagram sockets connected to named ones outside of the tree, which a restore connects to again. */
  extUnixSk?: boolean;
  /** What the restore will be given: `pipe:[INODE]`, `unix[INODE]`. CRIU's other kinds are refused. */
  external?: string[];
  /** Bytes; a deleted file larger than this is refused. Default: 1 MiB, as CRIU's. */
  ghostLimit?: number;
  /** TCP connections as they are; a restore takes the same option. */
  tcpEstablished?: boolean;
  /** TCP connections as closed; a restore takes the same option. */
  tcpClose?: boolean;
  /** Leave out TCP connections that wait to be accepted. */
  skipInFlight?: boolean;
  /** How packets are kept from the connections of a tree that is killed. Default: `nftables`. */
  networkLock?: 'nftables' | 'skip';
  /** What the images say of control groups. Default: `soft`. */
  manageCgroups?: 'soft' | 'none' | 'ignore';

  /** Seconds that the whole dump may take; past it the tree runs on and nothing is left. Default: no limit. */
  timeout?: number;
  /** Programs to run before the dump and when the set is complete, as CRIU's action scripts. */
  actionScript?: string[];
  /** Gets the pid of the root; a new file. */
  pidfile?: string;
  /** An open descriptor: gets `\0` and is closed when the set is complete. */
  statusFd?: number;

  /** Gets the log; by default there is none. */
  logFile?: string;
  /** 0 nothing, 1 errors, 2 warnings (default), 3 steps, 4 everything. */
  verbosity?: number;

  /** Stops the dump: the tree runs on and nothing is left. */
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
  /** Gets the lines of the log too. */
  onLog?: (line: string) => void;
}

const ON_SLOW = ['dump', 'fail', 'throttle'];
const NETWORK_LOCKS = ['nftables', 'skip'];
const CGROUP_MODES = ['soft', 'none', 'ignore'];

/**
 * Throws CkptError E_USAGE for options that are missing, contradict each other or hold no sense,
 * E_UNSUPPORTED_OPTION for those that cannot be honoured.
 */
export function checkOptions(options: DumpOptions): void {
  checkTarget(options);
  const { skipPages, external, manageCgroups, timeout, statusFd } = options;
  if (skipPages !== undefined && skipPages !== 'all' && skipPages !== 'lazy') {
    throw usage(`--skip-pages: '${skipPages}' is neither all nor lazy`);
  }
  if (options.pageStore !== undefined && !skipPages) {
    throw usage('--page-store without --skip-pages: the pages would be in the images as well');
  }
  checkLive(options);
  checkSnapshot(options);
  for (const resource of external ?? []) checkExternal(resource);
  if (manageCgroups !== undefined && !CGROUP_MODES.includes(manageCgroups)) {
    throw usage(`--manage-cgroups: '${manageCgroups}' is none of ${CGROUP_MODES.join(', ')}`);
  }
  checkNetworkLock(options.networkLock);
  if (timeout !== undefined && !(timeout >= 0)) throw usage(`--timeout: ${timeout} is no time`);
  if (statusFd !== undefined && !isOpen(statusFd)) {
    throw usage(`--status-fd: ${statusFd} is no open descriptor`);
  }
  checkTracking(options);
}

/** What does not go together with a chain of sets. */
function checkTracking(options: DumpOptions): void {
  const { trackMem, prevImagesDir, autoDedup, skipPages, maxPause, pageStore } = options;
  if (autoDedup && skipPages) throw usage('--auto-dedup with --skip-pages: no pages are replaced');
  const name = prevImagesDir !== undefined ? '--prev-images-dir' : trackMem && '--track-mem';
  if (!name) return;
  if (maxPause !== undefined) throw unsupported(`${name} with --max-pause: not yet`);
  if (options.snapshot) throw unsupported(`${name} with --snapshot: not yet`);
  if (skipPages === 'lazy') {
    const reason = 'a set either leaves pages to a parent or lists them without holding them';
    throw unsupported(`${name} with --skip-pages=lazy: ${reason}`);
  }
  if (pageStore !== undefined && prevImagesDir !== undefined) {
    throw unsupported('--prev-images-dir with --page-store: a store always gets all pages');
  }
}

function checkTarget({ tree, imagesDir, leaveRunning, leaveStopped }: DumpOptions): void {
  if (tree === undefined) throw usage('--tree PID is missing: which process is to be dumped?');
  if (!Number.isSafeInteger(tree) || tree < 1) throw usage(`--tree: ${tree} is no pid`);
  if (!imagesDir) throw usage('--images-dir DIR is missing: where are the images to be written?');
  if (leaveRunning && leaveStopped) {
    throw usage('--leave-running and --leave-stopped exclude each other');
  }
}

function checkLive({ maxPause, maxRounds, onSlow, skipPages }: DumpOptions): void {
  if (maxPause === undefined) {
    if (maxRounds !== undefined) throw usage('--max-rounds without --max-pause');
    if (onSlow !== undefined) throw usage('--on-slow without --max-pause');
    return;
  }
  if (!(maxPause > 0)) throw usage(`--max-pause: ${maxPause} ms is no time`);
  if (skipPages) throw usage('--max-pause with --skip-pages: no pages are copied');
  if (maxRounds !== undefined && !(maxRounds >= 1)) throw usage('--max-rounds: at least 1');
  if (onSlow !== undefined && !ON_SLOW.includes(onSlow)) {
    throw usage(`--on-slow: '${onSlow}' is none of ${ON_SLOW.join(', ')}`);
  }
}

function checkSnapshot(options: DumpOptions): void {
  if (!options.snapshot) return;
  if (!options.leaveRunning) {
    throw usage(
      '--snapshot without --leave-running: a tree that does not go on need not be let go early',
    );
  }
  if (options.maxPause !== undefined) {
    throw usage('--snapshot and --max-pause exclude each other: both copy outside of the pause');
  }
  if (options.skipPages) throw usage('--snapshot with --skip-pages: no pages are copied');
  if (options.actionScript?.length) {
    throw usage(
      '--snapshot with --action-script: scripts see the tree frozen until the set is complete',
    );
  }
}

function checkNetworkLock(lock: string | undefined): void {
  if (lock === undefined || NETWORK_LOCKS.includes(lock)) return;
  if (lock !== 'iptables') throw usage(`--network-lock: '${lock}' is none of nftables, skip`);
  throw new CkptError(
    'E_UNSUPPORTED_OPTION',
    '--network-lock iptables: ckpt locks by nftables, which takes no program to be installed',
  );
}

function checkExternal(resource: string): void {
  if (/^(pipe:|unix)\[\d+\]$/.test(resource)) return;
  const others = 'ckpt honours no other kinds yet than pipe:[INODE] and unix[INODE]';
  throw unsupported(`--external '${resource}': ${others}`);
}

function isOpen(fd: number): boolean {
  try {
    return fstatSync(fd) !== undefined;
  } catch {
    return false;
  }
}

function unsupported(message: string): CkptError {
  return new CkptError('E_UNSUPPORTED_OPTION', message);
}

function usage(message: string): CkptError {
  return new CkptError('E_USAGE', message);
}
