/**
 * The options that ckpt honours, under CRIU's names and meanings, and its own few beside them.
 * One table serves the parser, the help and docs/options.md. What CRIU knows and ckpt does not
 * honour is in criu-options.ts.
 */

export interface Option {
  short?: string;
  /** What the option takes, as the help shows it; a switch takes nothing. */
  value?: string;
  /** How the value is read; a string if not said. */
  type?: 'number' | 'size' | 'time' | 'list' | 'level';
  /** The value may be left out, and stands for this then. */
  implied?: string;
  group:
    | 'What to dump'
    | 'Memory'
    | 'What may be in the tree'
    | 'Control'
    | 'Images'
    | 'Pages'
    | 'Network'
    | 'Output';
  help: string;
}

/** By long name, of `ckpt dump`. */
export const DUMP_OPTIONS: Record<string, Option> = {
  tree: {
    short: 't',
    value: 'PID',
    type: 'number',
    group: 'What to dump',
    help: 'the process whose tree to dump',
  },
  'images-dir': {
    short: 'D',
    value: 'DIR',
    group: 'What to dump',
    help: 'folder for the images; it must exist',
  },
  'leave-running': {
    short: 'R',
    group: 'What to dump',
    help: 'let the tree run on after the dump (default: kill it)',
  },
  'leave-stopped': {
    short: 's',
    group: 'What to dump',
    help: 'leave the tree stopped after the dump',
  },

  'skip-pages': {
    value: 'all|lazy',
    implied: 'all',
    group: 'Memory',
    help: 'list pages without writing them: all of them, or those that a lazy restore can take late',
  },

  'page-store': {
    value: 'PATH',
    group: 'Memory',
    help: 'with --skip-pages: write all pages into a flat store, a new file or a block device',
  },
  'max-pause': {
    value: 'TIME',
    type: 'time',
    group: 'Memory',
    help: 'copy pages while the tree runs, until the rest takes no longer than TIME (10ms, 1s)',
  },
  'max-rounds': {
    value: 'N',
    type: 'number',
    group: 'Memory',
    help: 'with --max-pause: rounds to try that in (default: 30)',
  },
  'on-slow': {
    value: 'dump|fail|throttle',
    group: 'Memory',
    help: 'and if it cannot be: dump anyway, fail (default), or slow the tree down',
  },
  snapshot: {
    group: 'Memory',
    help: 'with -R: copy pages after the pause, as they were in it, from a copy-on-write child',
  },
  'track-mem': {
    group: 'Memory',
    help: 'track what is written from now on, so that this set can be the parent of the next',
  },
  'prev-images-dir': {
    value: 'DIR',
    group: 'Memory',
    help: 'the set before, from images-dir: pages that have not changed since are left to it',
  },
  'auto-dedup': {
    group: 'Memory',
    help: 'punch out of the sets before what this one replaces; none of them can be restored then',
  },

  'shell-job': {
    short: 'j',
    group: 'What may be in the tree',
    help: 'a job of a shell, with its terminal',
  },
  'file-locks': {
    short: 'l',
    group: 'What may be in the tree',
    help: 'file locks; all their users must be in the tree',
  },
  'tcp-established': {
    group: 'What may be in the tree',
    help: 'TCP connections, with what is in their queues',
  },
  'tcp-close': {
    group: 'What may be in the tree',
    help: 'TCP connections, which the restore will have closed',
  },
  'skip-in-flight': {
    group: 'What may be in the tree',
    help: 'TCP connections that wait to be accepted, which are dropped',
  },
  'network-lock': {
    value: 'nftables|skip',
    group: 'What may be in the tree',
    help: 'with --tcp-established: what keeps packets from a killed tree (default: nftables)',
  },
  'ghost-limit': {
    value: 'SIZE',
    type: 'size',
    group: 'What may be in the tree',
    help: 'largest deleted file to copy (1M; suffixes K, M, G)',
  },
  'ext-unix-sk': {
    short: 'x',
    group: 'What may be in the tree',
    help: 'datagram sockets connected to named ones outside, which have to be there at the restore',
  },
  external: {
    value: 'RES',
    type: 'list',
    group: 'What may be in the tree',
    help: 'what the restore will be given: pipe:[INODE], unix[INODE]; may be repeated',
  },

  'manage-cgroups': {
    value: 'soft|none|ignore',
    implied: 'soft',
    group: 'What may be in the tree',
    help: 'what the images say of control groups (default: soft)',
  },

  timeout: {
    value: 'SECONDS',
    type: 'number',
    group: 'Control',
    help: 'give up, and let the tree run on, when the whole dump takes longer',
  },
  'action-script': {
    value: 'FILE',
    type: 'list',
    group: 'Control',
    help: 'program to run at pre-dump and post-dump; may be repeated',
  },
  pidfile: { value: 'FILE', group: 'Control', help: 'write the pid of the root process to FILE' },
  'status-fd': {
    value: 'FD',
    type: 'number',
    group: 'Control',
    help: 'write \\0 to FD and close it when the set is complete',
  },

  'work-dir': {
    short: 'W',
    value: 'DIR',
    group: 'Output',
    help: 'folder for log, pidfile and statistics (default: images-dir)',
  },
  'log-file': { short: 'o', value: 'FILE', group: 'Output', help: 'write the log to FILE' },
  verbosity: {
    short: 'v',
    value: 'N',
    type: 'level',
    group: 'Output',
    help: 'what to log: 1 errors, 2 warnings (default), 3 steps, 4 everything; -vv counts up',
  },
  json: { group: 'Output', help: 'print one JSON object on stdout' },
};

const PRE_DUMP = [
  'tree',
  'images-dir',
  'prev-images-dir',
  'auto-dedup',
  'timeout',
  'work-dir',
].concat(['log-file', 'verbosity', 'json']);
/** What a script may say of every dump, and what holds of a pre-dump in any case. */
const IMPLIED = ['track-mem', 'leave-running', 'shell-job', 'file-locks'];

/** By long name, of `ckpt pre-dump`. */
export const PRE_DUMP_OPTIONS: Record<string, Option> = Object.fromEntries([
  ...PRE_DUMP.map((name) => [name, DUMP_OPTIONS[name]!] as const),
  ...IMPLIED.map((name) => [name, { ...DUMP_OPTIONS[name]!, help: 'implied' }] as const),
]);

/** By long name, of `ckpt dedup`. */
export const DEDUP_OPTIONS: Record<string, Option> = {
  'images-dir': { short: 'D', value: 'DIR', group: 'Images', help: 'the set whose parents shrink' },
  json: DUMP_OPTIONS.json!,
};

/** By long name, of `ckpt track`. */
export const TRACK_OPTIONS: Record<string, Option> = {
  action: {
    value: 'start|stop|status',
    group: 'Control',
    help: 'what to do; a word without --action will do',
  },
  tree: { ...DUMP_OPTIONS.tree!, help: 'the process whose tree it is about' },
  timeout: { ...DUMP_OPTIONS.timeout!, help: 'give up when it takes longer' },
  json: DUMP_OPTIONS.json!,
};

/** By long name, of `ckpt check`. */
export const CHECK_OPTIONS: Record<string, Option> = {
  json: DUMP_OPTIONS.json!,
};

/** By long name, of `ckpt pages`. */
export const PAGES_OPTIONS: Record<string, Option> = {
  'images-dir': { short: 'D', value: 'DIR', group: 'Images', help: 'folder of the image set' },
  json: DUMP_OPTIONS.json!,
};

/** By long name, of `ckpt fill`. */
export const FILL_OPTIONS: Record<string, Option> = {
  'images-dir': {
    short: 'D',
    value: 'DIR',
    group: 'Images',
    help: 'folder of a set that lists pages without holding them',
  },
  out: {
    short: 'o',
    value: 'DIR',
    group: 'Images',
    help: 'folder for the filled set; it must exist (default: fill in place)',
  },
  from: {
    value: 'SOURCE',
    group: 'Pages',
    help: 'who has the pages: images:DIR, process:PID[,PID=VPID...], file:PATH, criu:HOST:PORT, http(s)://..., s3:BUCKET/KEY, exec:COMMAND',
  },
  only: { value: 'eager', group: 'Pages', help: 'only pages that no restore can take late' },
  store: {
    value: 'PATH',
    group: 'Pages',
    help: 'instead: write all pages into a flat store, a new file or a block device, for file:PATH',
  },
  json: DUMP_OPTIONS.json!,
};

/** By long name, of `ckpt page-server`. */
export const PAGE_SERVER_OPTIONS: Record<string, Option> = {
  'images-dir': {
    short: 'D',
    value: 'DIR',
    group: 'Images',
    help: 'where the pages go that come in; with --lazy-pages, the set whose pages are given',
  },
  'lazy-pages': {
    group: 'Pages',
    help: 'give the pages of a set to `criu lazy-pages --page-server` (default: take those of a dump)',
  },
  from: {
    value: 'SOURCE',
    group: 'Pages',
    help: 'with --lazy-pages: who has the pages (default: the set itself)',
  },
  address: {
    value: 'ADDRESS',
    group: 'Network',
    help: 'where to listen (default: 127.0.0.1, this machine alone)',
  },
  port: {
    value: 'PORT',
    type: 'number',
    group: 'Network',
    help: 'where to listen (default: any that is free, which is printed)',
  },
  layout: {
    value: '4.1|4.2',
    group: 'Network',
    help: "the release of CRIU whose structs clients speak (default: a client's first struct tells)",
  },
  tls: { group: 'Network', help: 'speak TLS, and only with clients that have a certificate' },
  'tls-cacert': { value: 'FILE', group: 'Network', help: 'certificate of the authority' },
  'tls-cert': { value: 'FILE', group: 'Network', help: 'certificate of this server' },
  'tls-key': { value: 'FILE', group: 'Network', help: 'its private key' },
  'status-fd': {
    value: 'FD',
    type: 'number',
    group: 'Output',
    help: 'write \\0 to FD and close it when clients may connect',
  },
  json: DUMP_OPTIONS.json!,
};

/** By long name, of `ckpt lazy-pages`. */
export const LAZY_PAGES_OPTIONS: Record<string, Option> = {
  'images-dir': { short: 'D', value: 'DIR', group: 'Images', help: 'folder of the image set' },
  'work-dir': {
    short: 'W',
    value: 'DIR',
    group: 'Images',
    help: "the restore's work folder, where it looks for lazy-pages.socket (default: images-dir)",
  },
  from: { value: 'SOURCE', group: 'Pages', help: 'who has the pages (default: the set itself)' },
  keep: { group: 'Pages', help: 'serve any number of restores, until a signal' },
  prefetch: {
    value: 'none|sequential|recorded',
    group: 'Pages',
    help: 'what is brought before anybody waits for it (default: sequential)',
  },
  record: {
    value: 'FILE',
    group: 'Pages',
    help: 'gets the order in which pages are touched; with --prefetch recorded, has it',
  },
  json: DUMP_OPTIONS.json!,
};

/** By long name, of `ckpt restore`; all others are criu's. */
export const RESTORE_OPTIONS: Record<string, Option> = {
  'images-dir': { short: 'D', value: 'DIR', group: 'Images', help: 'folder of the image set' },
  'work-dir': {
    short: 'W',
    value: 'DIR',
    group: 'Images',
    help: 'folder for logs, pidfile and the socket of late pages (default: images-dir)',
  },
  from: {
    value: 'SOURCE',
    group: 'Pages',
    help: 'who has the pages that the set lacks; they come late where they can',
  },
  prefetch: LAZY_PAGES_OPTIONS.prefetch!,
  record: LAZY_PAGES_OPTIONS.record!,
  criu: { value: 'PATH', group: 'Control', help: 'the program (default: criu, in PATH)' },
  json: DUMP_OPTIONS.json!,
  help: { short: 'h', group: 'Output', help: 'this help' },
};
