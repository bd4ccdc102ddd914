/**
 * TCP and UDP sockets: listeners, connections, and such as are not connected.
 */

import { fd_types } from '../../images/gen/fdinfo.js';
import type { FileOf, InetDetail } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';
import { NET_NS } from '../ids.js';
import { type Place, refuse } from '../refuse.js';
import { developOwner } from './fown.js';
import type { DevelopOptions } from '../options.js';
import { developSockOpts } from './sockopts.js';
import { isConnection, refuseConnection } from './tcp.js';

const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const IPPROTO_UDPLITE = 136;
const IPPROTO_MPTCP = 262;
/** Of `inet`: protocols by type. */
const PROTOCOLS: Record<number, number[]> = {
  [SOCK_STREAM]: [IPPROTO_TCP],
  [SOCK_DGRAM]: [IPPROTO_UDP, IPPROTO_UDPLITE],
};

export function developInet(file: FileOf<'inet'>): Entry<'file_entry'> {
  const { id, ino, flags, detail } = file;
  const { family, type, proto, backlog } = detail;
  const state = detail.stream?.state ?? detail.state;
  const isV6 = family === AF_INET6;
  return {
    type: fd_types.INETSK,
    id,
    isk: {
      ...{ id, flags, family, type, proto, state, backlog, ns_id: NET_NS },
      ino: Number(BigInt(ino)),
      src_port: detail.sport,
      dst_port: detail.dport,
      src_addr: address(detail.src, isV6),
      dst_addr: address(detail.dst, isV6),
      fown: developOwner(file.fown),
      opts: developSockOpts(detail.opts),
      v6only: isV6 ? detail.v6only : undefined,
      ip_opts: developIpOpts(detail, isV6),
      ifname: detail.ifname,
      shutdown: detail.shutdown || undefined,
      tcp_opts: proto === IPPROTO_TCP ? developTcpOpts(detail) : {},
    },
  };
}

/** An address in the order of the network, as words that memory holds: 1 or 4. */
function address(bytes: string, isV6: boolean): number[] {
  const raw = Buffer.concat([Buffer.from(bytes, 'base64'), Buffer.alloc(16)]);
  return Array.from({ length: isV6 ? 4 : 1 }, (_, i) => raw.readUInt32LE(4 * i));
}

/** Options that are not at their defaults; of IPv6 sockets a restore can set no tos and ttl. */
function developIpOpts({ ip }: InetDetail, isV6: boolean): Entry<'ip_opts_entry'> {
  const ofV4 = { tos: ip.tos || undefined, ttl: ip.ttl || undefined };
  const freebind = ip.freebind || undefined;
  const pktinfo = ip.pktinfo || undefined;
  return isV6 ? { freebind, pktinfo } : { freebind, pktinfo, ...ofV4 };
}

function developTcpOpts({ opts, tcp, cork }: InetDetail): Entry<'tcp_opts_entry'> {
  const { keepcnt, keepidle, keepintvl } = opts;
  const nodelay = tcp?.nodelay || undefined;
  return { keepcnt, keepidle, keepintvl, cork: cork || undefined, nodelay };
}

/** Refuses what no image holds, and connections that are not asked for. */
export function refuseInet(file: FileOf<'inet'>, place: Place, options: DevelopOptions): void {
  const { type, proto, rqlen, opts } = file.detail;
  if (!PROTOCOLS[type]?.includes(proto)) {
    refuse(place, otherProtocol(type, proto));
  }
  if (opts.peek_off !== undefined) refuse(place, 'it peeks at an offset (SO_PEEK_OFF)');
  if (type === SOCK_DGRAM) return refuseDatagrams(file.detail, place);
  if (isConnection(file)) refuseConnection(file, place, options);
  if (rqlen > 0 && !options.skipInFlight) {
    refuse(place, `${rqlen} connections wait to be accepted`, 'drop them with --skip-in-flight');
  }
}

/** Go's listeners speak MPTCP since its release 1.24, unless told not to. */
function otherProtocol(type: number, proto: number): string {
  return proto === IPPROTO_MPTCP
    ? 'Multipath TCP, which no restore can bring back (of a Go program: start it with GODEBUG=multipathtcp=0)'
    : `neither TCP nor UDP (type ${type}, protocol ${proto})`;
}

/** No image has room for datagrams on their way. */
function refuseDatagrams({ queue, cork }: InetDetail, place: Place): void {
  if (queue.length > 0) refuse(place, `${queue.length} datagrams wait to be read`);
  if (cork) refuse(place, 'it holds datagrams back (UDP_CORK)');
}

/** What a restored socket lacks, though it works. */
export function warningsOfInet(
  { detail: { tcp, rqlen } }: FileOf<'inet'>,
  { pid, object }: Place,
): string[] {
  const lacking = [
    tcp?.defer_accept ? 'TCP_DEFER_ACCEPT' : [],
    tcp?.user_timeout ? 'TCP_USER_TIMEOUT' : [],
    tcp?.error ? 'an error that waits to be reported (SO_ERROR)' : [],
    rqlen > 0 ? `${rqlen} connections that wait to be accepted` : [],
  ].flat();
  return lacking.map((what) => `pid ${pid}: ${object}: not in the images: ${what}`);
}
