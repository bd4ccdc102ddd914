/**
 * TCP connections: what is in their queues, and where they stand.
 */

import { isIPv6 } from 'node:net';
import type { FileOf, Stream } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';
import type { DevelopOptions } from '../options.js';
import { contradiction, type Place, refuse } from '../refuse.js';

const IPPROTO_TCP = 6;

/** States, as the kernel counts them (include/net/tcp_states.h). */
const [ESTABLISHED, SYN_SENT, FIN_WAIT1, FIN_WAIT2] = [1, 2, 4, 5];
const [CLOSE, CLOSE_WAIT, LAST_ACK, CLOSING] = [7, 8, 9, 11];
const STATES: Record<number, string> = {
  [ESTABLISHED]: 'an established',
  [SYN_SENT]: 'a beginning',
  [FIN_WAIT1]: 'a half-closed',
  [FIN_WAIT2]: 'a half-closed',
  [CLOSE]: 'a finished',
  [CLOSE_WAIT]: 'a half-closed',
  [LAST_ACK]: 'an ending',
  [CLOSING]: 'an ending',
};
/** In these a FIN of our own has been written; where it is not acknowledged, it counts as unsent or as queued. */
const FIN_WRITTEN = [FIN_WAIT1, FIN_WAIT2, LAST_ACK, CLOSING];

/** In these the peer's FIN has come, and it could still be sent something. */
const FIN_RECEIVED = [CLOSE_WAIT, LAST_ACK, CLOSING];

/** TCPI_OPT_* of struct tcp_info. */
const TIMESTAMPS = 1;
const WSCALE = 4;

/** Of any state: a socket that has, or had, a peer. That is what a restore goes by, too. */
export function isConnection({ detail: { proto, dport } }: FileOf<'inet'>): boolean {
  return proto === IPPROTO_TCP && dport !== 0;
}

/**
 * tcp-stream-INO.img: the one entry, and what follows it. What was never sent a restore sends at once,
 * be the other end there again or not. Where no lock holds that back (`locked`), it is told as sent,
 * and will be as what was lost on its way.
 */
export function developStream(
  { ino, detail }: FileOf<'inet'>,
  locked: boolean,
): {
  ino: number;
  entry: readonly [Entry<'tcp_stream_entry'>, inq: Buffer, outq: Buffer];
} {
  const stream =
    detail.stream ?? contradiction(`nothing is told of the connection socket:[${ino}]`);
  const inq = Buffer.from(stream.inq, 'base64');
  const outq = Buffer.from(stream.outq, 'base64');
  const [snd_wl1, snd_wnd, max_window, , rcv_wup] = stream.window;
  const entry = {
    inq_len: inq.length,
    inq_seq: stream.rcv_nxt,
    outq_len: outq.length,
    outq_seq: stream.write_seq,
    unsq_len: locked ? unsentOf(stream, outq.length) : 0,
    opt_mask: stream.options,
    mss_clamp: stream.mss,
    ...developOptions(stream),
    nodelay: detail.tcp?.nodelay || undefined,
    cork: detail.cork || undefined,
    ...{ snd_wl1, snd_wnd, max_window, rcv_wnd: receiveWindow(stream), rcv_wup },
  };
  return { ino: Number(BigInt(ino)), entry: [entry, inq, outq] };
}

/** Bytes of the send queue that were never sent; a FIN is none. */
function unsentOf({ state, unsent }: Stream, queued: number): number {
  const fin = FIN_WRITTEN.includes(state) && unsent > 0 ? 1 : 0;
  return Math.min(unsent - fin, queued);
}

/**
 * A socket that has the peer's FIN receives no more, and its window means nothing. But a restore sends
 * it that FIN, with this window's low 16 bits as the peer's own: 65536, a usual one, would stop it
 * from sending. So they are the window that the peer really has.
 */
function receiveWindow({ state, window, snd_wscale }: Stream): number {
  const [, snd_wnd, , rcv_wnd] = window;
  if (!FIN_RECEIVED.includes(state)) return rcv_wnd;
  return Math.ceil(rcv_wnd / 2 ** 16) * 2 ** 16 + Math.min(snd_wnd >>> snd_wscale, 2 ** 16 - 1);
}

function developOptions({ options, snd_wscale, rcv_wscale, timestamp }: Stream) {
  return {
    ...(options & WSCALE ? { snd_wscale, rcv_wscale } : { snd_wscale: 0 }),
    ...(options & TIMESTAMPS && { timestamp }),
  };
}

/** A connection that is not asked for, or not TCP alone. */
export function refuseConnection(
  { detail }: FileOf<'inet'>,
  place: Place,
  { tcpEstablished, tcpClose }: DevelopOptions,
): void {
  const { state, src, sport, dst, dport, tcp } = detail;
  if (!tcpEstablished && !tcpClose) {
    const ends = `${shown(src, sport)} to ${shown(dst, dport)}`;
    const what = `${STATES[state] ?? `a (state ${state})`} TCP connection, ${ends}`;
    refuse(place, what, 'dump it with --tcp-established, or as closed with --tcp-close');
  }
  if (tcp?.ulp && !tcpClose) {
    refuse(place, `a TCP connection with ${tcp.ulp} in the kernel (TCP_ULP)`);
  }
}

/** An address and a port as people write them. */
function shown(address: string, port: number): string {
  const bytes = Buffer.from(address, 'base64');
  if (bytes.length === 4) return `${bytes.join('.')}:${port}`;
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  const long = groups.join(':');
  const short = long.replace(/(^|:)0(:0)+(:|$)/, '::');
  return `[${isIPv6(short) ? short : long}]:${port}`;
}
