/**
 * The kinds of image: how their files are called, begin, and what they hold.
 *
 * `file`: %u is a decimal number (a pid, an id of a namespace ...), %x a hexadecimal one, %s a word.
 * `magic`: the u32 that tells the kind; a file without one is raw, it has no entries.
 * `entry`: the message of its entries. `more`: what its other entries are: all after the first in
 * pagemaps and ghost files, a queue's messages after the queue in IPCNS_MSG.
 * Page images of the oldest sets, which had entries of their own, are not among them.
 */

import type { MessageName } from './schema.js';

interface KindShape {
  file: string;
  magic?: number;
  entry?: MessageName;
  more?: MessageName;
}

export const kinds = {
  INVENTORY: { file: 'inventory.img', magic: 0x58313116, entry: 'inventory_entry' },
  FDINFO: { file: 'fdinfo-%u.img', magic: 0x56213732, entry: 'fdinfo_entry' },
  PAGEMAP: {
    file: 'pagemap-%u.img',
    magic: 0x56084025,
    entry: 'pagemap_head',
    more: 'pagemap_entry',
  },
  SHMEM_PAGEMAP: {
    file: 'pagemap-shmem-%u.img',
    magic: 0x56084025,
    entry: 'pagemap_head',
    more: 'pagemap_entry',
  },
  REG_FILES: { file: 'reg-files.img', magic: 0x50363636, entry: 'reg_file_entry' },
  EXT_FILES: { file: 'ext-files.img', magic: 0x59255641, entry: 'ext_file_entry' },
  NS_FILES: { file: 'ns-files.img', magic: 0x61394011, entry: 'ns_file_entry' },
  EVENTFD_FILE: { file: 'eventfd.img', magic: 0x44523722, entry: 'eventfd_file_entry' },
  EVENTPOLL_FILE: { file: 'eventpoll.img', magic: 0x45023858, entry: 'eventpoll_file_entry' },
  EVENTPOLL_TFD: { file: 'eventpoll-tfd.img', magic: 0x44433746, entry: 'eventpoll_tfd_entry' },
  SIGNALFD: { file: 'signalfd.img', magic: 0x57323820, entry: 'signalfd_entry' },
  INOTIFY_FILE: { file: 'inotify.img', magic: 0x48424431, entry: 'inotify_file_entry' },
  INOTIFY_WD: { file: 'inotify-wd.img', magic: 0x54562009, entry: 'inotify_wd_entry' },
  FANOTIFY_FILE: { file: 'fanotify.img', magic: 0x55096122, entry: 'fanotify_file_entry' },
  FANOTIFY_MARK: { file: 'fanotify-mark.img', magic: 0x56506035, entry: 'fanotify_mark_entry' },
  CORE: { file: 'core-%u.img', magic: 0x55053847, entry: 'core_entry' },
  IDS: { file: 'ids-%u.img', magic: 0x54432030, entry: 'task_kobj_ids_entry' },
  MM: { file: 'mm-%u.img', magic: 0x57492820, entry: 'mm_entry' },
  VMAS: { file: 'vmas-%u.img', magic: 0x54123737, entry: 'vma_entry' },
  PIPES: { file: 'pipes.img', magic: 0x56513555, entry: 'pipe_entry' },
  PIPES_DATA: { file: 'pipes-data.img', magic: 0x56453709, entry: 'pipe_data_entry' },
  FIFO: { file: 'fifo.img', magic: 0x58364939, entry: 'fifo_entry' },
  FIFO_DATA: { file: 'fifo-data.img', magic: 0x59333054, entry: 'pipe_data_entry' },
  PSTREE: { file: 'pstree.img', magic: 0x50273030, entry: 'pstree_entry' },
  SIGACT: { file: 'sigacts-%u.img', magic: 0x55344201, entry: 'sa_entry' },
  UNIXSK: { file: 'unixsk.img', magic: 0x54373943, entry: 'unix_sk_entry' },
  INETSK: { file: 'inetsk.img', magic: 0x56443851, entry: 'inet_sk_entry' },
  PACKETSK: { file: 'packetsk.img', magic: 0x60454618, entry: 'packet_sock_entry' },
  NETLINK_SK: { file: 'netlinksk.img', magic: 0x58005614, entry: 'netlink_sk_entry' },
  SK_QUEUES: { file: 'sk-queues.img', magic: 0x56264026, entry: 'sk_packet_entry' },
  ITIMERS: { file: 'itimers-%u.img', magic: 0x57464056, entry: 'itimer_entry' },
  POSIX_TIMERS: { file: 'posix-timers-%u.img', magic: 0x52603957, entry: 'posix_timer_entry' },
  CREDS: { file: 'creds-%u.img', magic: 0x54023547, entry: 'creds_entry' },
  UTSNS: { file: 'utsns-%u.img', magic: 0x54473203, entry: 'utsns_entry' },
  IPC_VAR: { file: 'ipcns-var-%u.img', magic: 0x53115007, entry: 'ipc_var_entry' },
  IPCNS_SHM: { file: 'ipcns-shm-%u.img', magic: 0x46283044, entry: 'ipc_shm_entry' },
  IPCNS_MSG: {
    file: 'ipcns-msg-%u.img',
    magic: 0x55453737,
    entry: 'ipc_msg_entry',
    more: 'ipc_msg',
  },
  IPCNS_SEM: { file: 'ipcns-sem-%u.img', magic: 0x59573019, entry: 'ipc_sem_entry' },
  FS: { file: 'fs-%u.img', magic: 0x51403912, entry: 'fs_entry' },
  REMAP_FPATH: { file: 'remap-fpath.img', magic: 0x59133954, entry: 'remap_file_path_entry' },
  GHOST_FILE: {
    file: 'ghost-file-%x.img',
    magic: 0x52583605,
    entry: 'ghost_file_entry',
    more: 'ghost_chunk_entry',
  },
  MEMFD_INODE: { file: 'memfd.img', magic: 0x48453499, entry: 'memfd_inode_entry' },
  TCP_STREAM: { file: 'tcp-stream-%x.img', magic: 0x51465506, entry: 'tcp_stream_entry' },
  MNTS: { file: 'mountpoints-%u.img', magic: 0x55563928, entry: 'mnt_entry' },
  NETDEV: { file: 'netdev-%u.img', magic: 0x57373951, entry: 'net_device_entry' },
  NETNS: { file: 'netns-%u.img', magic: 0x55933752, entry: 'netns_entry' },
  IFADDR: { file: 'ifaddr-%u.img' },
  ROUTE: { file: 'route-%u.img' },
  ROUTE6: { file: 'route6-%u.img' },
  RULE: { file: 'rule-%u.img' },
  IPTABLES: { file: 'iptables-%u.img' },
  IP6TABLES: { file: 'ip6tables-%u.img' },
  NFTABLES: { file: 'nftables-%u.img' },
  TMPFS_IMG: { file: 'tmpfs-%u.tar.gz.img' },
  TMPFS_DEV: { file: 'tmpfs-dev-%u.tar.gz.img' },
  AUTOFS: { file: 'autofs-%u.img', magic: 0x49353943, entry: 'autofs_entry' },
  BINFMT_MISC_OLD: { file: 'binfmt-misc-%u.img', magic: 0x67343323, entry: 'binfmt_misc_entry' },
  BINFMT_MISC: { file: 'binfmt-misc.img', magic: 0x67343323, entry: 'binfmt_misc_entry' },
  TTY_FILES: { file: 'tty.img', magic: 0x59433025, entry: 'tty_file_entry' },
  TTY_INFO: { file: 'tty-info.img', magic: 0x59453036, entry: 'tty_info_entry' },
  TTY_DATA: { file: 'tty-data.img', magic: 0x59413026, entry: 'tty_data_entry' },
  FILE_LOCKS: { file: 'filelocks.img', magic: 0x54323616, entry: 'file_lock_entry' },
  RLIMIT: { file: 'rlimit-%u.img', magic: 0x57113925, entry: 'rlimit_entry' },
  PAGES: { file: 'pages-%u.img' },
  SIGNAL: { file: 'signal-s-%u.img', magic: 0x59255647, entry: 'siginfo_entry' },
  PSIGNAL: { file: 'signal-p-%u.img', magic: 0x59255647, entry: 'siginfo_entry' },
  TUNFILE: { file: 'tunfile.img', magic: 0x57143751, entry: 'tunfile_entry' },
  CGROUP: { file: 'cgroup.img', magic: 0x59383330, entry: 'cgroup_entry' },
  TIMERFD: { file: 'timerfd.img', magic: 0x50493712, entry: 'timerfd_entry' },
  CPUINFO: { file: 'cpuinfo.img', magic: 0x61404013, entry: 'cpuinfo_entry' },
  SECCOMP: { file: 'seccomp.img', magic: 0x64413049, entry: 'seccomp_entry' },
  USERNS: { file: 'userns-%u.img', magic: 0x55474906, entry: 'userns_entry' },
  NETNF_CT: { file: 'netns-ct-%u.img' },
  NETNF_EXP: { file: 'netns-exp-%u.img' },
  FILES: { file: 'files.img', magic: 0x56303138, entry: 'file_entry' },
  TIMENS: { file: 'timens-%u.img', magic: 0x43114433, entry: 'timens_entry' },
  PIDNS: { file: 'pidns-%u.img', magic: 0x61157326, entry: 'pidns_entry' },
  BPFMAP_FILE: { file: 'bpfmap-file.img', magic: 0x57506142, entry: 'bpfmap_file_entry' },
  BPFMAP_DATA: { file: 'bpfmap-data.img', magic: 0x64324033, entry: 'bpfmap_data_entry' },
  APPARMOR: { file: 'apparmor.img', magic: 0x59423047, entry: 'apparmor_entry' },
  PIDFD: { file: 'pidfd.img', magic: 0x54435556, entry: 'pidfd_entry' },
  STATS: { file: 'stats-%s', magic: 0x57093306, entry: 'stats_entry' },
  IRMAP_CACHE: { file: 'irmap-cache', magic: 0x57004059, entry: 'irmap_cache_entry' },
} as const satisfies Record<string, KindShape>;

/** A kind of image, under CRIU's name for it. */
export type Kind = keyof typeof kinds;

type Of<K extends Kind, P extends 'entry' | 'more'> = K extends Kind
  ? (typeof kinds)[K] extends { [Key in P]: infer M extends MessageName }
    ? M
    : never
  : never;

/** The message of a kind's entries, and of its other entries. */
export type EntryOf<K extends Kind> = Of<K, 'entry'>;
export type MoreOf<K extends Kind> = Of<K, 'more'>;

/** What is known of a kind. */
export function kind(name: Kind): KindShape {
  return kinds[name];
}

/** First word of every image but inventory.img, since version 1.1 of the format. */
const COMMON_MAGIC = 0x54564319;
/** First word of files that belong to no image set. */
const SERVICE_MAGIC = 0x55105940;

/** The u32 words that a file of this kind begins with; none where it is raw. */
export function magicsOf(name: Kind): number[] {
  const { magic } = kind(name);
  if (magic === undefined) return [];
  if (name === 'INVENTORY') return [magic];
  return [name === 'STATS' || name === 'IRMAP_CACHE' ? SERVICE_MAGIC : COMMON_MAGIC, magic];
}
