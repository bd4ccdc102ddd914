/**
 * Mappings that cannot be dumped faithfully, and why.
 */

import type { Vma } from '../helper/protocol.js';
import { type Place, refuse } from './refuse.js';

/** By VmFlag. */
const BY_FLAG: Record<string, string> = {
  ss: 'a shadow stack',
  um: 'registered with a userfaultfd',
  uw: 'registered with a userfaultfd',
  ui: 'registered with a userfaultfd',
};

/** By the beginning of the name in maps. */
const BY_NAME: Record<string, string> = {
  '[uprobes]': 'a uprobe is attached',
  '/[aio]': 'a context of io_setup(2)',
};

/** The kernel's own mappings: of no file, and yet of no memory that could be copied. */
const KERNELS = /^\[(vvar|vvar_vclock|vdso|vsyscall)\]$/;

/**
 * Refuses a mapping that no restore can make again. `guardsKnown`: the helper looked for guard
 * ranges in this address space.
 */
export function refuseVma(place: Place, vma: Vma, guardsKnown: boolean): void {
  const words = vma.vmflags.split(' ');
  const named = Object.keys(BY_NAME).find((name) => vma.name.startsWith(name));
  if (named) refuse(place, BY_NAME[named]!);
  const flag = words.find((word) => word in BY_FLAG);
  if (flag) refuse(place, BY_FLAG[flag]!);
  if (vma.shmem_kind === 'sysv') refuse(place, 'System V shared memory (shmget(2))');
  if (words.includes('gu') && !guardsKnown) refuse(place, 'guard ranges that could not be read');
  if (KERNELS.test(vma.name)) return;
  if (words.includes('sl')) refuse(place, 'sealed by mseal(2)');
  const isDevice = words.includes('io') || words.includes('pf');
  if (isDevice && !vma.perms.endsWith('s')) refuse(place, 'memory of a device');
}
