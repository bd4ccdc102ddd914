/**
 * Facts of sockets.
 */

import type { Bytes, FileId, Hex } from './scalar.js';

export interface Packet {
  data: Bytes;
  /** The files whose descriptors came with it. */
  rights?: FileId[];
  /** Other ancillary data (credentials, timestamps) came with it. */
  scm: boolean;
  /** The sender's struct sockaddr; absent: it has none. */
  from?: Bytes;
}

export interface SockOpts {
  sndbuf: number;
  rcvbuf: number;
  snd_tmo_us: Hex;
  rcv_tmo_us: Hex;
  reuseaddr: boolean;
  reuseport: boolean;
  passcred: boolean;
  passsec: boolean;
  dontroute: boolean;
  no_check: boolean;
  broadcast: boolean;
  keepalive: boolean;
  oobinline: boolean;
  priority: number;
  rcvlowat: number;
  mark: number;
  buf_lock: number;
  linger?: number;
  bound_dev?: string;
  filter?: Bytes;
  keepcnt?: number;
  keepidle?: number;
  keepintvl?: number;
  /** SO_PEEK_OFF; absent: off. */
  peek_off?: number;
}

export interface UnixDetail {
  type: number;
  state: number;
  /** Inode; 0: none, closed, or not accepted yet. */
  peer: Hex;
  name: Bytes;
  path_dev?: number;
  path_ino?: Hex;
  backlog: number;
  /** 0..3: RCV_SHUTDOWN 1, SEND_SHUTDOWN 2. */
  shutdown: number;
  bound_mode?: number;
  bound_uid?: number;
  bound_gid?: number;
  peer_in_tree: boolean;
  /** Of a peer outside. */
  peer_name?: Bytes;
  /** Bytes that wait here; of a listener: connections that wait for accept(2). */
  rqlen: number;
  /** Bytes that wait at the peer. */
  wqlen: number;
  /** Of a listener: inodes of those connections' other ends, 0 if closed already. */
  icons?: Hex[];
  queue: Packet[];
  opts: SockOpts;
}

export interface TcpOpts {
  nodelay: boolean;
  defer_accept: number;
  /** Milliseconds; 0: the system's. */
  user_timeout: number;
  congestion: string;
  /** TCP_ULP: what else has taken the connection over, "tls". */
  ulp?: string;
  /** An error waits to be reported. */
  error: boolean;
}

/** Sequence numbers count modulo 2^32; a FIN counts as a byte. */
export interface Stream {
  /** TCP_*, at the moment of all this. */
  state: number;
  /** TCPI_OPT_*. */
  options: number;
  snd_wscale: number;
  rcv_wscale: number;
  /** TCP_QUEUE_SEQ of the receive queue: the next byte that the peer sends. */
  rcv_nxt: number;
  /** TCP_QUEUE_SEQ of the send queue: the next byte that the program writes. */
  write_seq: number;
  /** SIOCOUTQNSD: bytes (and a FIN) never sent yet. */
  unsent: number;
  mss: number;
  timestamp: number;
  /** struct tcp_repair_window. */
  window: [snd_wl1: number, snd_wnd: number, max_window: number, rcv_wnd: number, rcv_wup: number];
  /** Received and not read yet; it ends at `rcv_nxt`, before a FIN. */
  inq: Bytes;
  /** Written and not acknowledged yet; it ends at `write_seq`, before a FIN. */
  outq: Bytes;
}

export interface InetDetail {
  family: number;
  type: number;
  proto: number;
  state: number;
  src: Bytes;
  dst: Bytes;
  sport: number;
  dport: number;
  backlog: number;
  v6only: boolean;
  shutdown: number;
  ifname?: string;
  queue: Packet[];
  /** Of a listener: connections that wait for accept(2). */
  rqlen: number;
  /** Bytes not read yet. */
  unread: number;
  /** Bytes sent and not yet taken by the network. */
  unsent: number;
  /** TCP_CORK or UDP_CORK. */
  cork: boolean;
  ip: { freebind: boolean; pktinfo: boolean; tos: number; ttl: number };
  tcp?: TcpOpts;
  /** Of a TCP connection, where it was asked for. */
  stream?: Stream;
  opts: SockOpts;
}
