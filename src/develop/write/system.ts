/**
 * Writes the images about the system around the tree: control groups, seccomp, clocks.
 */

import { readFileSync } from 'node:fs';
import type { CapturedFrame } from '../../helper/protocol.js';
import type { ImageSet } from '../../images/set.js';
import type { CgroupSets } from '../cgroup.js';
import { developClocks } from '../inventory.js';
import type { DevelopOptions } from '../options.js';
import { writeImage } from './image.js';

/** The time namespace of tasks that are in none of their own. */
const ROOT_TIMENS = 0;

export function writeSystem(
  images: ImageSet,
  cgroups: CgroupSets,
  { clocks }: CapturedFrame,
  { manageCgroups }: DevelopOptions,
): void {
  const cgroup = cgroups.develop(manageCgroups);
  if (cgroup) writeImage(images.create('CGROUP'), [cgroup]);
  // Tasks with filters are refused, so there are none; the image says so.
  writeImage(images.create('SECCOMP'), [{}]);
  writeImage(images.create('TIMENS', ROOT_TIMENS), [developClocks(clocks ?? readClocks())]);
}

/** The clocks now, which a restored task then takes for its own: as if the dump had lasted until now. */
function readClocks(): NonNullable<CapturedFrame['clocks']> {
  const monotonic = process.hrtime.bigint();
  const uptime = BigInt(readFileSync('/proc/uptime', 'utf8').split(' ')[0]!.replace('.', ''));
  const boottime = uptime * 10_000_000n;
  const hex = (ns: bigint) => `0x${ns.toString(16)}`;
  return {
    monotonic_ns: hex(monotonic),
    boottime_ns: hex(boottime > monotonic ? boottime : monotonic),
  };
}
