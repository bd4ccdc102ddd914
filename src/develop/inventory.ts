/**
 * inventory.img: what makes a folder of images a set. And two images about the system it was
 * made on.
 */

import { readFileSync } from 'node:fs';
import type { CapturedFrame } from '../helper/protocol.js';
import { lsmtype } from '../images/gen/inventory.js';
import { OWN_SET } from './cgroup.js';
import type { Entry } from './entry.js';
import { ROOT_IDS } from './ids.js';
import { divide, NANOSECONDS } from './timers.js';

/** Version of the format since images begin with a common magic. */
const IMAGE_VERSION = 2;
/** How the network of established connections is locked: CRIU's default, by iptables. */
const NETWORK_LOCK = 0;

export function developInventory(): Entry<'inventory_entry'> {
  return {
    img_version: IMAGE_VERSION,
    fdinfo_per_id: true,
    root_ids: ROOT_IDS,
    ns_per_id: true,
    root_cg_set: OWN_SET,
    lsmtype: lsmtype.NO_LSM,
    network_lock_method: NETWORK_LOCK,
    plugins_entry: {},
    dump_criu_run_id: randomId(),
  };
}

/** A random UUID, from the kernel: random(4). Node's own takes 4 ms to load. */
function randomId(): string {
  return readFileSync('/proc/sys/kernel/random/uuid', 'utf8').trim();
}

/** timens-0.img: the clocks at the dump, from which the restored tasks' clocks go on. */
export function developClocks(clocks: NonNullable<CapturedFrame['clocks']>): Entry<'timens_entry'> {
  const timespec = (ns: string) => {
    const [tv_sec, tv_nsec] = divide(ns, NANOSECONDS);
    return { tv_sec, tv_nsec };
  };
  return {
    monotonic: timespec(clocks.monotonic_ns),
    boottime: timespec(clocks.boottime_ns),
  };
}
