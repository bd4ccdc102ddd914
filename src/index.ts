/** The library: what the command line itself is built on. */

export { check, type CheckItem, type CheckResult } from './check/check.js';
export { dedup, type DedupOptions, type DedupSummary } from './dedup/dedup.js';
export { dump } from './dump/dump.js';
export type { DumpOptions, Progress } from './dump/options.js';
export { preDump, type PreDumpOptions } from './dump/pre-dump.js';
export type {
  DedupResult,
  DumpResult,
  PageCount,
  PreDumpResult,
  ProcessResult,
  TrackResult,
} from './dump/result.js';
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
export type { Owner } from './images/pagemap.js';
export { CriuSource } from './pages/criu.js';
export { ExecSource } from './pages/exec.js';
export { FileSource } from './pages/file.js';
export { fill } from './pages/fill/fill.js';
export type { FillOptions, FillResult } from './pages/fill/options.js';
export { HttpSource } from './pages/http.js';
export { ImagesSource } from './pages/images.js';
export type { Layout } from './pages/iov.js';
export type { Manifest, ManifestOwner, ManifestRange } from './pages/manifest.js';
export { parseSource } from './pages/open.js';
export { ProcessSource } from './pages/process.js';
export { readManifest } from './pages/read-manifest.js';
export { reliable, retry, type Policy } from './pages/retry.js';
export { S3Source } from './pages/s3.js';
export type { Listener } from './pages/server/listen.js';
export {
  servePages,
  takePages,
  type PageServer,
  type PageServerOptions,
  type Received,
} from './pages/server/server.js';
export type { Located, PageRun, PageSource, Place } from './pages/source.js';
export { track, type TrackOptions, type Tracking } from './track/track.js';
export { loadTls, type TlsContext, type TlsFiles } from './pages/tls.js';
