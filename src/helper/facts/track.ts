/** What is asked and told of tracking by itself; docs/protocol.md, "track". */

export interface TrackingRequest {
  op: 'track';
  /** Pid of the root task. */
  tree: number;
  action: 'start' | 'stop' | 'status';
  /** 0: none; counted from the request. */
  timeout_ms: number;
}

export interface TrackingFrame {
  t: 'track';
  /** Pid of the process that holds it on; absent once it is stopped. */
  keeper?: number;
  /** The set that the next may be compared with. */
  epoch?: string;
  /** Seconds since all pages were protected. */
  since_s?: number;
  /** Address spaces that are tracked. */
  spaces: number;
  /** Of these: pages that hold data, and those of them that the next set has to hold. */
  pages: number;
  written: number;
}
