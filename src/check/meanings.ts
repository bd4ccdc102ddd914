/** What each thing that `ckpt check` tries means for the user: what it serves, and what is lost without it. */

export interface Meaning {
  serves: string;
  without: string;
}

const CANNOT = 'no process can be dumped';

export const MEANINGS: Record<string, Meaning> = {
  pagemap_scan: {
    serves: 'finds the pages that hold data, in milliseconds',
    without: 'pages are found by reading the page tables: longer pauses (Linux 6.7 has it)',
  },
  ptrace_seize: { serves: 'stops a process tree without harm to it', without: CANNOT },
  remote_syscall: {
    serves: 'has a stopped thread tell what only it can know',
    without: `${CANNOT}: something forbids to change a stopped thread's registers`,
  },
  children: {
    serves: 'finds all processes of a tree',
    without: `${CANNOT}: a kernel with CONFIG_PROC_CHILDREN is needed`,
  },
  cpu_dma_latency: {
    serves: 'keeps processors awake during the pause',
    without: 'pauses are longer, by some tens of microseconds for every stop of a thread',
  },
  pidfd_getfd: { serves: 'looks at open files from outside', without: CANNOT },
  kcmp: {
    serves: 'tells which descriptors share an open file',
    without: `${CANNOT}: a kernel with CONFIG_KCMP is needed`,
  },
  rseq_configuration: {
    serves: 'reads where threads registered restartable sequences',
    without: 'programs of glibc 2.35 or later cannot be dumped',
  },
  map_files: { serves: 'reaches files that are mapped, also deleted ones', without: CANNOT },
  sock_diag: { serves: 'describes sockets', without: 'processes with sockets cannot be dumped' },
  soft_dirty: {
    serves: 'tracks changed pages the way criu does',
    without: 'nothing of ckpt depends on it; criu pre-dump and --track-mem do not work here',
  },
  uffd_wp_async: {
    serves: 'tracks changed pages',
    without: 'incremental dumps will not be possible',
  },
  CAP_SYS_PTRACE: {
    serves: 'looks into processes of other users',
    without: 'only processes that ptrace may attach to can be dumped',
  },
  CAP_SYS_ADMIN: { serves: 'reaches mapped and open files of all kinds', without: CANNOT },
  CAP_CHECKPOINT_RESTORE: {
    serves: 'reads mapped files where CAP_SYS_ADMIN is missing',
    without: 'CAP_SYS_ADMIN is needed in its place',
  },
  CAP_SYS_RESOURCE: {
    serves: 'reads resource limits of other users and holds large pipes',
    without: 'limits are read from /proc instead; nothing is lost',
  },
  CAP_NET_ADMIN: {
    serves: 'reads all options of sockets',
    without: 'sockets with privileged options may be refused',
  },
};
