/**
 * CRIU's other options (4.2.1: `criu --help`, criu/config.c): known by name, not honoured. Each
 * says why, so that nobody believes that an option had its effect.
 */

export interface ForeignOption {
  short?: string;
  /** It takes a value, which must not be taken for something else. */
  value?: string;
  why: string;
  /** Why it could not go with `--skip-pages` either. */
  withSkipPages?: string;
}

const LATER = 'ckpt does not honour it yet';
const RESTORE = 'it belongs to a restore, which stock criu does';
const SERVER =
  '`ckpt dump` itself neither sends pages nor serves them yet; `ckpt page-server` does';
const CHECK = 'it selects features of criu; `ckpt check` always tries all that ckpt needs';
const NAMESPACES = 'ckpt does not dump namespaces yet';

const later = (short?: string): ForeignOption => ({ short, why: LATER });
const valueLater = (short?: string): ForeignOption => ({ short, value: 'VALUE', why: LATER });

export const FOREIGN_OPTIONS: Record<string, ForeignOption> = {
  'allow-uprobes': later(),
  'cgroup-dump-controller': valueLater(),
  'cgroup-props': valueLater(),
  'cgroup-props-file': valueLater(),
  'cgroup-root': valueLater(),
  'cgroup-yard': valueLater(),
  close: valueLater(),
  config: valueLater(),
  'cpu-cap': later(),
  deprecated: later(),
  'display-stats': { why: 'the summary and --json hold the statistics' },
  'evasive-devices': later(),
  'force-irmap': later(),
  'freeze-cgroup': valueLater(),
  'ghost-fiemap': later(),
  'irmap-scan-path': valueLater(),
  'keep-network-lock': later(),
  'lazy-pages': {
    why: SERVER,
    withSkipPages: 'the pages would be served from the frozen tree, which skip-pages lets go',
  },
  'link-remap': later(),
  libdir: valueLater('L'),
  'log-pid': later(),
  'lsm-profile': valueLater(),
  'no-default-config': { why: 'ckpt reads no configuration file' },
  'pre-dump-mode': {
    value: 'VALUE',
    why: 'pages are always read while the tree runs, as by its mode `read`',
  },
  stream: later(),
  unprivileged: later(),

  'empty-ns': { value: 'VALUE', why: NAMESPACES },
  'enable-external-masters': { why: NAMESPACES },
  'enable-external-sharing': { why: NAMESPACES },
  'enable-fs': { value: 'VALUE', why: NAMESPACES },
  'ext-mount-map': { short: 'M', value: 'VALUE', why: NAMESPACES },
  root: { short: 'r', value: 'VALUE', why: NAMESPACES },
  'skip-mnt': { value: 'VALUE', why: NAMESPACES },

  address: { value: 'VALUE', why: SERVER },
  'page-server': { why: SERVER, withSkipPages: 'there are no pages to send' },
  port: { value: 'VALUE', why: SERVER },
  'ps-socket': { value: 'VALUE', why: SERVER },
  tls: { why: SERVER },
  'tls-cacert': { value: 'VALUE', why: SERVER },
  'tls-cacrl': { value: 'VALUE', why: SERVER },
  'tls-cert': { value: 'VALUE', why: SERVER },
  'tls-key': { value: 'VALUE', why: SERVER },
  'tls-no-cn-verify': { why: SERVER },

  daemon: { short: 'd', why: RESTORE },
  'exec-cmd': { why: RESTORE },
  'file-validation': { value: 'VALUE', why: RESTORE },
  'inherit-fd': { value: 'VALUE', why: RESTORE },
  'join-ns': { short: 'J', value: 'VALUE', why: RESTORE },
  'lsm-mount-context': { value: 'VALUE', why: RESTORE },
  'mntns-compat-mode': { why: RESTORE },
  'restore-detached': { why: RESTORE },
  'restore-sibling': { short: 'S', why: RESTORE },
  'skip-file-rwx-check': { why: RESTORE },
  'veth-pair': { value: 'VALUE', why: RESTORE },
  'weak-sysctls': { why: RESTORE },

  all: { why: CHECK },
  experimental: { why: CHECK },
  extra: { why: CHECK },
  feature: { value: 'VALUE', why: CHECK },
  ms: { why: CHECK },
};
