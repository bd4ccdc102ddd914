/** The library: what the command line itself is built on. */

export { check, type CheckItem, type CheckResult } from './check/check.js';
export { dump } from './dump/dump.js';
export type { DumpOptions, Progress } from './dump/options.js';
export type { DumpResult, PageCount, ProcessResult } from './dump/result.js';
export type { Run } from './dump/run.js';
export { restore } from './restore/restore.js';
export type { RestoreOptions, RestoreResult } from './restore/options.js';
export { serve } from './serve/serve.js';
export type {
  LostPages,
  Prefetch,
  ServeOptions,
  ServeProgress,
  ServeResult,
  SessionResult,
} from './serve/options.js';
export { CkptError, type ErrorCode, type ErrorDetails } from './errors.js';
