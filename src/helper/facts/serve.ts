/** What a server of pages is asked and tells; docs/protocol.md, "serve". */

export type SourceRequest =
  { kind: 'file'; path: string } | { kind: 'process'; pid: number } | { kind: 'remote' };

export interface ServeRequest {
  op: 'serve';
  /** Where the socket is to be: an absolute path of an existing folder. */
  folder: string;
  socket: string;
  sources: SourceRequest[];
  /** Go on after the first restore. */
  keep: boolean;
  prefetch: 'none' | 'sequential';
  /** Tell which pages were touched. */
  record: boolean;
  /** For one answer of a remote source. */
  timeout_ms: number;
}

/** Part of the runs of one process, ascending: quads of page, count, index of the source, page in it. */
export interface TableRequest {
  op: 'table';
  pid: number;
  runs: number[];
}

/** What to bring first: pairs of page and count. */
export interface PlanRequest {
  op: 'plan';
  pid: number;
  runs: number[];
}

export interface ListenRequest {
  op: 'listen';
}

/** No restore may begin any more; pages that are missing are brought, or poisoned at once. */
export interface StopRequest {
  op: 'stop';
  rest: 'copy' | 'poison';
}

export interface ListeningFrame {
  t: 'listening';
}

export interface BegunFrame {
  t: 'begun';
  session: number;
  /** Of the restoring program. */
  pid: number;
}

export interface EndedFrame {
  t: 'ended';
  session: number;
  /** The restore said that it is finished. */
  finished: boolean;
  tasks: number;
  children: number;
  faults: number;
  demanded: number;
  prefetched: number;
  zero: number;
  dropped: number;
  present: number;
  poisoned: number;
  latency_us: { p50: number; p99: number; max: number };
  us: number;
}

export interface FailedFrame {
  t: 'failed';
  session: number;
  pid: number;
  page: number;
  count: number;
  reason: string;
}

export interface RefusedFrame {
  t: 'refused';
  reason: string;
}

export interface TouchedFrame {
  t: 'touched';
  session: number;
  pid: number;
  runs: number[];
}

/** Pages that only the orchestrator can get; the answer goes over the data pipe. */
export interface NeedFrame {
  t: 'need';
  id: number;
  pid: number;
  page: number;
  count: number;
}

/** Pages that are missing no more, of those that were. */
export interface ServeProgressFrame {
  t: 'progress';
  phase: 'serve';
  done: number;
  total: number;
}

export type ServeFrame =
  | ServeProgressFrame
  | ListeningFrame
  | BegunFrame
  | EndedFrame
  | FailedFrame
  | RefusedFrame
  | TouchedFrame
  | NeedFrame;
