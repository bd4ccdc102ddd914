/**
 * Huge pages out of the kernel's pools: by which flags a restore asks for pages of the same size.
 */

import type { CapturedFrame } from '../helper/protocol.js';
import { type Place, refuse } from './refuse.js';

/** MAP_HUGETLB of mmap(2), MFD_HUGETLB of memfd_create(2); the size stands beside either. */
const MAP_HUGETLB = 0x40000;
const MFD_HUGETLB = 0x4;
/** MAP_HUGE_SHIFT and MFD_HUGE_SHIFT. */
const HUGE_SHIFT = 26;

/** Knows the kernel's own mounts of huge pages, by their device numbers. */
export class HugePages {
  readonly #sizes: ReadonlyMap<number, number>;

  constructor({ hugetlb = [] }: Pick<CapturedFrame, 'hugetlb'>) {
    this.#sizes = new Map(hugetlb);
  }

  /** Flags of a mapping. Refuses one of a file in a hugetlbfs that somebody mounted. */
  mapFlags(dev: number, place: Place): number {
    return this.#flags(dev, MAP_HUGETLB, place);
  }

  /** Flags of a memfd. */
  memfdFlags(dev: number, place: Place): number {
    return this.#flags(dev, MFD_HUGETLB, place);
  }

  #flags(dev: number, flag: number, place: Place): number {
    const log2 = this.#sizes.get(dev);
    if (log2 === undefined) refuse(place, "huge pages of a hugetlbfs that is not the kernel's own");
    return (flag | (log2 << HUGE_SHIFT)) >>> 0;
  }
}
