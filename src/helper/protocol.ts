/**
 * The frames that orchestrator and helper exchange, as TypeScript sees them.
 *
 * `docs/protocol.md` is the contract; this file only gives it types. Names are the kernel's own.
 */

import type {
  ListenRequest,
  PlanRequest,
  ServeFrame,
  ServeRequest,
  StopRequest,
  TableRequest,
} from './facts/serve.js';
import type { FdsFrame, FileFrame, GhostFrame, PipeFrame } from './facts/file.js';
import type { PagemapFrame, ShmemFrame, VmasFrame } from './facts/memory.js';
import type { Hex } from './facts/scalar.js';
import type { Namespaces, TaskFrame } from './facts/task.js';
import type { ThreadFrame } from './facts/thread.js';
import type { TrackingFrame, TrackingRequest } from './facts/track.js';

export * from './facts/file.js';
export * from './facts/memory.js';
export * from './facts/scalar.js';
export * from './facts/serve.js';
export * from './facts/socket.js';
export * from './facts/task.js';
export * from './facts/thread.js';
export * from './facts/track.js';
export * from './facts/tty.js';
export * from './facts/watch.js';

/** The protocol version that this orchestrator speaks. */
export const PROTOCOL_VERSION = 1;
/** The longest frame that either side accepts, in bytes of JSON. */
export const FRAME_LIMIT = 16 * 1024 * 1024;

// ---- Requests -----------------------------------------------------------------------------

export interface HelloRequest {
  op: 'hello';
  version: number;
}

export interface CheckRequest {
  op: 'check';
}

export interface DumpRequest {
  op: 'dump';
  /** Pid of the root task. */
  tree: number;
  /** Absolute path of an existing folder; the helper makes its files there. */
  images_dir: string;
  after: 'run' | 'stop' | 'kill';
  /** Page data to copy: all of it, only what is not `lazy`, or nothing. */
  copy: 'all' | 'unlazy' | 'none';
  /** For instance `pages-{}.img`; `{}` is a number counting from 1. */
  pages_name: string;
  /** Bytes; contents of larger deleted files are not copied. */
  ghost_limit: number;
  /** 0: none; counted from the request. */
  timeout_ms: number;
  /** With `copy: 'all'`: copy pages in rounds while the tree runs, to keep the pause short. */
  live?: {
    max_pause_us: number;
    max_rounds: number;
    /** Where the pause would be longer: dump nevertheless, fail, or slow the tree down. */
    on_slow: 'dump' | 'fail' | 'throttle';
  };
  /** With `after: 'run'`, `copy: 'all'` and none of the others: copy pages after the thaw, as they were at the freeze. */
  snapshot?: boolean;
  track?: TrackRequest;
  /** Capture TCP connections; `lock`: the nf_tables table that is to lock those of a tree that will be killed. */
  tcp?: { lock?: string };
}

/** What of a tree's memory is known to be as in an earlier set, and what is to be known of this one. */
export interface TrackRequest {
  /** The id of the set being made: what is written from now on is written since then. */
  epoch?: string;
  /** The id of the parent set: pages not written since are not copied; all are, if that is not known. */
  since?: string;
}

/** Copies memory while the tree runs. */
export interface PreDumpRequest {
  op: 'predump';
  tree: number;
  images_dir: string;
  pages_name: string;
  timeout_ms: number;
  track: TrackRequest;
}

/** Any number of these: each frees space in one file, and is answered by `punched`. */
export interface PunchRequest {
  op: 'punch';
  /** Absolute, of a regular file. */
  path: string;
  /** Flat pairs, ascending: offset and length in bytes, whole pages. */
  ranges: number[];
}

export interface FinishRequest {
  op: 'finish';
  action: 'run' | 'stop' | 'kill';
}

/** What makes a server of pages, in this order: one, any number of the next two, one. */
export type ServingRequest = ServeRequest | TableRequest | PlanRequest | ListenRequest;

export type Request =
  | HelloRequest
  | CheckRequest
  | DumpRequest
  | PreDumpRequest
  | FinishRequest
  | PunchRequest
  | TrackingRequest
  | ServingRequest
  | StopRequest;

// ---- Frames about the conversation itself -------------------------------------------------

/** The standard-format XSAVE layout of this CPU (CPUID leaf 0xD). */
export interface XsaveLayout {
  size: number;
  features: Hex;
  /** By component (bit of XCR0): offset and size in the area. */
  components: Record<string, [offset: number, size: number]>;
}

export interface HelloFrame {
  t: 'hello';
  version: number;
  helper: string;
  xsave: XsaveLayout;
}

export interface CheckItem {
  name: string;
  ok: boolean;
  required: boolean;
  detail: string;
}

export interface CheckFrame {
  t: 'check';
  kernel: string;
  arch: string;
  items: CheckItem[];
}

export type HelperErrorCode =
  | 'E_NO_SUCH_PROCESS'
  | 'E_PERMISSION'
  | 'E_TARGET_GONE'
  | 'E_TARGET_CHANGED'
  | 'E_TOO_BUSY'
  | 'E_ZOMBIE'
  | 'E_KERNEL_THREAD'
  | 'E_OWN_ANCESTOR'
  | 'E_UNSUPPORTED_OBJECT'
  | 'E_NOT_TRACKED'
  | 'E_TIMEOUT'
  | 'E_ABORTED'
  | 'E_WRITE'
  | 'E_NO_SPACE'
  | 'E_IMAGES_DIR'
  | 'E_PAGE_SOURCE'
  | 'E_WORK_DIR'
  | 'E_KERNEL'
  | 'E_PROTOCOL'
  | 'E_INTERNAL';

export interface ErrorFrame {
  t: 'error';
  code: HelperErrorCode;
  /** One line for a person, complete by itself. */
  message: string;
  pid?: number;
  object?: string;
  remedy?: string;
  errno?: number;
}

export interface ProgressFrame {
  t: 'progress';
  phase: 'freeze' | 'capture' | 'copy';
  done: number;
  total: number;
}

/** How a running tree was copied before the freeze. */
export interface LiveFacts {
  rounds: number;
  /** Pages that were copied meanwhile, some more than once. */
  copied: number;
  /** Pages that were left for the freeze, and how long it was expected to be. */
  left: number;
  estimate_us: number;
  /** How often the tree was stopped before, and for how long at most. */
  stops: number;
  longest_us: number;
  /** The estimate is longer than `max_pause_us`. */
  slow: boolean;
}

/** How pages were kept for a copy after the thaw. */
export interface SnapshotFacts {
  /** Microseconds: of the pause, for making the children; of a second stop, for taking them away. */
  clone_us: number;
  reap_us: number;
  /** Pages that were copied after the thaw. */
  copied_after: number;
}

/** How a tree's writes are tracked. */
export interface TrackFacts {
  /** As asked for, where it is known what was written since; else absent, and everything was copied. */
  since?: string;
  /** Pages whose next write will be seen, and those that were left out. */
  tracked: number;
  unchanged: number;
  /** Pid of the process that holds the tracking on. */
  keeper?: number;
}

export interface CapturedFrame {
  t: 'captured';
  tasks: number;
  threads: number;
  /** Microseconds; `frozen` is absent while the tree is still held. */
  times_us: {
    freeze: number;
    capture: number;
    scan: number;
    copy: number;
    frozen?: number;
    total: number;
  };
  pages: {
    scanned: number;
    present: number;
    lazy: number;
    copied: number;
    /** Left out, and not among the others: lazy pages that were to be copied and are all zeros. */
    zero: number;
    shmem_copied: number;
  };
  /** Namespaces of ckpt itself. */
  own_ns: Namespaces;
  /** Of a dump in rounds. */
  live?: LiveFacts;
  /** Of a dump after the thaw. */
  snapshot?: SnapshotFacts;
  track?: TrackFacts;
  /** TCP connections are locked by the table that the request named. */
  network_locked: boolean;
  /** Read while the tree was frozen. */
  clocks?: { monotonic_ns: Hex; boottime_ns: Hex };
  /** The kernel's own mounts of huge pages: st_dev, and the size of a page. */
  hugetlb?: [dev: number, log2: number][];
  page_bytes: number;
  helper_peak_kib: number;
}

export interface DoneFrame {
  t: 'done';
  /** What only the end of the pause tells, where the tree was held until `finish`. */
  times_us?: { frozen: number };
}

export interface PunchedFrame {
  t: 'punched';
  /** Bytes of the disk that are free now. */
  freed: number;
}

/** What a dump sends between `progress` and `captured`. */
export type FactFrame =
  | TaskFrame
  | ThreadFrame
  | VmasFrame
  | FileFrame
  | FdsFrame
  | PipeFrame
  | GhostFrame
  | ShmemFrame
  | PagemapFrame;

export type Frame =
  | HelloFrame
  | CheckFrame
  | ErrorFrame
  | ProgressFrame
  | FactFrame
  | CapturedFrame
  | TrackingFrame
  | ServeFrame
  | PunchedFrame
  | DoneFrame;
