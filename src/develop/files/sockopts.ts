/**
 * Options of the socket layer, SO_* of socket(7).
 */

import type { SockOpts } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';
import { divide } from '../timers.js';

const MICROSECONDS = 1_000_000n;
/** Bytes of a struct sock_filter. */
const FILTER_SIZE = 8;

/** Options of the socket layer, the same for all families. */
export function developSockOpts(opts: SockOpts): Entry<'sk_opts_entry'> {
  const [so_snd_tmo_sec, so_snd_tmo_usec] = divide(opts.snd_tmo_us, MICROSECONDS);
  const [so_rcv_tmo_sec, so_rcv_tmo_usec] = divide(opts.rcv_tmo_us, MICROSECONDS);
  return {
    so_sndbuf: opts.sndbuf,
    so_rcvbuf: opts.rcvbuf,
    ...{ so_snd_tmo_sec, so_snd_tmo_usec, so_rcv_tmo_sec, so_rcv_tmo_usec },
    reuseaddr: opts.reuseaddr,
    so_priority: opts.priority,
    so_rcvlowat: opts.rcvlowat,
    so_mark: opts.mark || undefined,
    so_dontroute: opts.dontroute,
    so_no_check: opts.no_check,
    so_bound_dev: opts.bound_dev || undefined,
    so_filter: developFilter(opts.filter),
    so_reuseport: opts.reuseport,
    so_broadcast: opts.broadcast,
    so_keepalive: opts.keepalive,
    so_oobinline: opts.oobinline ? 1 : 0,
    so_linger: opts.linger,
    so_buf_lock: opts.buf_lock,
  };
}

/** A classic BPF program, an instruction a value. */
function developFilter(filter = ''): bigint[] {
  const program = Buffer.from(filter, 'base64');
  return Array.from({ length: program.length / FILTER_SIZE }, (_, i) =>
    program.readBigUInt64LE(FILTER_SIZE * i),
  );
}
