/**
 * inventory.img: what makes a folder of images a set. And two images about the system it was
 * made on.
 */

import { readFileSync } from 'node:fs';
import type { CapturedFrame } from '../helper/protocol.js';
import { lsmtype } from '../images/gen/inventory.js';
import { newSetId } from '../images/set-id.js';
import { OWN_SET } from './cgroup.js';
import type { Entry } from './entry.js';
import { ROOT_IDS } from './ids.js';
import type { DevelopOptions } from './options.js';
import { divide, NANOSECONDS } from './timers.js';

/** Version of the format since images begin with a common magic. */
const IMAGE_VERSION = 2;
/** How the network of connections is locked, as a restore is told it. iptables where there are none, as CRIU has it. */
const NETWORK_LOCKS = { iptables: 0, nftables: 1, skip: 2 };

/** How pages of a pre-dump are taken, in CRIU's terms: read while the tree runs. */
const PRE_DUMP_READ = 2;

export function developInventory(
  { network_locked }: Pick<CapturedFrame, 'network_locked'>,
  options: DevelopOptions,
): Entry<'inventory_entry'> {
  const { tcpEstablished, tcpClose } = options;
  const unlocked = tcpEstablished && !tcpClose ? 'skip' : 'iptables';
  return {
    ...identity(options),
    fdinfo_per_id: true,
    root_ids: ROOT_IDS,
    ns_per_id: true,
    root_cg_set: OWN_SET,
    lsmtype: lsmtype.NO_LSM,
    tcp_close: tcpClose || undefined,
    network_lock_method: NETWORK_LOCKS[network_locked ? 'nftables' : unlocked],
  };
}

/**
 * That of a pre-dump, which has memory alone: what is left out of it, above all `fdinfo_per_id`,
 * makes a restore refuse the set at once.
 */
export function developPreDumpInventory(options: DevelopOptions): Entry<'inventory_entry'> {
  return { ...identity(options), pre_dump_mode: PRE_DUMP_READ };
}

/** The version, and what a later dump asks of its parent: the time, by which CRIU tells a pid that came anew. */
function identity({ setId = newSetId(), trackMem }: DevelopOptions) {
  return {
    img_version: IMAGE_VERSION,
    plugins_entry: {},
    dump_criu_run_id: setId,
    ...(trackMem && { dump_uptime: uptime() }),
  };
}

/** Microseconds since boot. */
function uptime(): number {
  const seconds = readFileSync('/proc/uptime', 'utf8').split(' ')[0]!;
  return Math.round(Number(seconds) * 1e6);
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
