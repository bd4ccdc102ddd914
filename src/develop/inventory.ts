/**
 * inventory.img: what makes a folder of images a set. And two images about the system it was
 * made on.
 */

import { randomId } from '../random-id.js';
import type { CapturedFrame } from '../helper/protocol.js';
import { lsmtype } from '../images/gen/inventory.js';
import { OWN_SET } from './cgroup.js';
import type { Entry } from './entry.js';
import { ROOT_IDS } from './ids.js';
import type { DevelopOptions } from './options.js';
import { divide, NANOSECONDS } from './timers.js';

/** Version of the format since images begin with a common magic. */
const IMAGE_VERSION = 2;
/** How the network of connections is locked, as a restore is told it. iptables where there are none, as CRIU has it. */
const NETWORK_LOCKS = { iptables: 0, nftables: 1, skip: 2 };

export function developInventory(
  { network_locked }: Pick<CapturedFrame, 'network_locked'>,
  options: DevelopOptions,
): Entry<'inventory_entry'> {
  const { tcpEstablished, tcpClose, runId = randomId() } = options;
  const unlocked = tcpEstablished && !tcpClose ? 'skip' : 'iptables';
  return {
    img_version: IMAGE_VERSION,
    fdinfo_per_id: true,
    root_ids: ROOT_IDS,
    ns_per_id: true,
    root_cg_set: OWN_SET,
    lsmtype: lsmtype.NO_LSM,
    tcp_close: tcpClose || undefined,
    network_lock_method: NETWORK_LOCKS[network_locked ? 'nftables' : unlocked],
    plugins_entry: {},
    dump_criu_run_id: runId,
  };
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
