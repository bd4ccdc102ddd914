/**
 * Unix sockets: pairs, connections within the tree, listeners, datagram sockets.
 */

import { fd_types } from '../../images/gen/fdinfo.js';
import type { FileOf, Hex, UnixDetail } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';
import { NET_NS } from '../ids.js';
import type { DevelopOptions } from '../options.js';
import { type Place, refuse } from '../refuse.js';
import { developOwner } from './fown.js';
import { developSockOpts } from './sockopts.js';
import type { UnixPeers } from './unix-peers.js';

/** States, as the kernel counts them for all sockets (include/net/tcp_states.h). */
const ESTABLISHED = 1;
const LISTEN = 10;
const SOCK_DGRAM = 2;
const SHUT_BOTH = 3;
/** Of `uflags`: a socket outside of the tree. */
const USK_EXTERN = 1;
const NO_OPTS: Entry<'sk_opts_entry'> = {
  ...{ so_sndbuf: 0, so_rcvbuf: 0, so_snd_tmo_sec: 0, so_snd_tmo_usec: 0 },
  ...{ so_rcv_tmo_sec: 0, so_rcv_tmo_usec: 0 },
};
/** Abstract names begin with a zero byte; others are paths. */
const ABSTRACT = 0;

export function developUnix(file: FileOf<'unix'>, peers: UnixPeers): Entry<'file_entry'> {
  const { id, ino, flags, detail } = file;
  const { opts, shutdown } = detail;
  return {
    type: fd_types.UNIXSK,
    id,
    usk: {
      ...{ id, flags, uflags: 0, ns_id: NET_NS },
      ino: inode(ino),
      type: detail.type,
      state: detail.state,
      backlog: detail.state === LISTEN ? detail.backlog : 0,
      peer: inode(peers.listenerOf(ino)?.ino ?? detail.peer),
      fown: developOwner(file.fown),
      opts: { ...developSockOpts(opts), so_passcred: opts.passcred, so_passsec: opts.passsec },
      shutdown: shutdown || undefined,
      ...developName(file),
    },
  };
}

type Name = Pick<Entry<'unix_sk_entry'>, 'name' | 'name_dir' | 'file_perms' | 'deleted'>;

/** The address it is bound to, and for a path what a restore has to do to the file there. */
function developName({ detail, path, path_ok }: FileOf<'unix'>): Name {
  const name = Buffer.from(detail.name, 'base64');
  if (!isPath(name)) return { name };
  const { bound_mode: mode = 0o140777, bound_uid: uid = 0, bound_gid: gid = 0 } = detail;
  return {
    name,
    name_dir: path && folderOf(path, name),
    file_perms: { mode, uid, gid },
    deleted: path_ok ? undefined : true,
  };
}

function isPath(name: Buffer): boolean {
  return name.length > 0 && name[0] !== ABSTRACT;
}

function textOf(name: Buffer): string {
  return name.toString().replace(/\0+$/, '');
}

/** The folder that a relative address is relative to. */
function folderOf(path: string, name: Buffer): string | undefined {
  const relative = textOf(name);
  const isRelative = !relative.startsWith('/') && path.endsWith(`/${relative}`);
  return isRelative ? path.slice(0, -relative.length - 1) || '/' : undefined;
}

/** Refuses sockets whose connection leads out of the tree, or cannot be made again as it is. */
export function refuseUnix(
  file: FileOf<'unix'>,
  place: Place,
  peers: UnixPeers,
  options: DevelopOptions,
): void {
  const { ino, detail, path } = file;
  if (hasPeerOutside(file)) refuseOutside(file, place, options);
  if (detail.opts.peek_off !== undefined) refuse(place, 'it peeks at an offset (SO_PEEK_OFF)');
  const strangers = peers.strangersAt(detail);
  if (strangers > 0) refuse(place, `${strangers} connections from outside of the tree wait`);
  if (isHalf(detail)) refuseHalf(file, place, peers);
  if (detail.queue.some(({ from }) => from && !peers.isPeer(from, ino))) {
    refuse(place, 'datagrams wait whose sender could not be told any more');
  }
  const name = Buffer.from(detail.name, 'base64');
  const isRelative = isPath(name) && !textOf(name).startsWith('/');
  if (isRelative && !path) refuse(place, `bound to the relative path ${textOf(name)}`);
}

/** Connected to a socket that no process of the tree has. */
export function hasPeerOutside({ detail }: FileOf<'unix'>): boolean {
  return BigInt(detail.peer) !== 0n && !detail.peer_in_tree;
}

/** A restore connects a datagram socket anew, by its peer's name; any other it has to be given. */
function refuseOutside(
  { ino, detail }: FileOf<'unix'>,
  place: Place,
  { external = [], extUnixSk = false }: DevelopOptions,
): void {
  const given = `unix[${BigInt(ino)}]`;
  if (external.includes(given)) return;
  const name = Buffer.from(detail.peer_name ?? '', 'base64');
  const isLasting = name[0] === ABSTRACT || name.toString().startsWith('/');
  if (detail.type !== SOCK_DGRAM || !isLasting) {
    refuse(place, 'its peer is outside of the tree', `--external '${given}' allows it`);
  }
  if (!extUnixSk) refuse(place, 'its peer is outside of the tree', '--ext-unix-sk allows it');
}

/** The socket outside that a restore is to connect to, under the id `id`. */
export function developPeerOutside({ detail }: FileOf<'unix'>, id: number): Entry<'file_entry'> {
  return {
    type: fd_types.UNIXSK,
    id,
    usk: {
      ...{ id, flags: 0, uflags: USK_EXTERN, backlog: 0, peer: 0, ino: inode(detail.peer) },
      ...{ type: SOCK_DGRAM, state: LISTEN, fown: developOwner(undefined), opts: NO_OPTS },
      name: Buffer.from(detail.peer_name ?? '', 'base64'),
    },
  };
}

/** Connected to nobody: the other end is closed, or not accepted yet. */
function isHalf({ type, state, peer, shutdown }: UnixDetail): boolean {
  const isConnection = state === ESTABLISHED && type !== SOCK_DGRAM;
  return isConnection && BigInt(peer) === 0n && shutdown !== SHUT_BOTH;
}

/** A restore connects it anew, if the listener is in the tree and nothing was sent yet. */
function refuseHalf({ ino, detail }: FileOf<'unix'>, place: Place, peers: UnixPeers): void {
  if (!peers.listenerOf(ino))
    refuse(place, 'its connection waits for a listener outside of the tree');
  if (detail.wqlen > 0) refuse(place, 'data waits in a connection that is not accepted yet');
}

function inode(ino: Hex): number {
  return Number(BigInt(ino));
}
