/**
 * Terminals: pseudo terminals whose both ends are in the tree, or the one that a shell's job
 * runs in.
 */

import { fd_types } from '../../images/gen/fdinfo.js';
import { TtyType } from '../../images/gen/tty.js';
import type { Bytes, FileOf, TtyDetail, Winsize } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';
import type { DevelopOptions } from '../options.js';
import { type Place, refuse } from '../refuse.js';
import { developOwner } from './fown.js';

type Tty = FileOf<'tty'>;

/** Types of terminals that an image can tell of, and the number for those that have none. */
const DRIVERS: Record<string, { type: TtyType; index?: number }> = {
  ptmx: { type: TtyType.PTY },
  pts: { type: TtyType.PTY },
  tty: { type: TtyType.CTTY, index: 1006 },
  console: { type: TtyType.CONSOLE, index: 1002 },
};

/** Control characters of an image: c_cc of the kernel's termios, packed into words. */
const NCCS = 19;
/** Offsets in struct termios2 (asm-generic/termbits.h). */
const C_LINE = 16;
const C_CC = 17;

/** Opened through the file `regf_id`. */
export function developTty(file: Tty, regf_id: number): Entry<'file_entry'> {
  const { id, flags, detail } = file;
  const fown = developOwner(file.fown);
  const tty_info_id = infoId(detail);
  return { type: fd_types.TTY, id, tty: { id, tty_info_id, flags, fown, regf_id } };
}

/** The terminal itself, one entry for all files of an end. Of one that was hung up little is left. */
export function developTtyInfo({ detail, rdev, dev, uid, gid }: Tty): Entry<'tty_info_entry'> {
  const { driver, index, locked, exclusive, packet, sid, pgrp, hung_up } = detail;
  const { type } = DRIVERS[driver]!;
  return {
    ...{ id: infoId(detail), type, locked, exclusive, packet_mode: packet },
    ...{ sid: sid ?? 0, pgrp: pgrp ?? 0, rdev, dev, uid, gid },
    pty: type === TtyType.PTY ? { index } : undefined,
    ...(hung_up ? {} : developSettings(detail)),
  };
}

/** Both ends of a pseudo terminal have numbers, made of its index. */
function infoId({ driver, index }: TtyDetail): number {
  return 2 * (DRIVERS[driver]!.index ?? index) + (driver === 'ptmx' ? 1 : 0);
}

type Settings = Pick<Entry<'tty_info_entry'>, 'termios' | 'termios_locked' | 'winsize'>;

function developSettings({ termios, termios_locked, winsize }: TtyDetail): Settings {
  return {
    termios: developTermios(termios),
    termios_locked: developTermios(termios_locked),
    winsize: winsize && developWinsize(winsize),
  };
}

function developTermios(bytes: Bytes = ''): Entry<'termios_entry'> {
  const termios = Buffer.alloc(44);
  Buffer.from(bytes, 'base64').copy(termios);
  const packed = Buffer.alloc(4 * NCCS);
  termios.copy(packed, 0, C_CC, C_CC + NCCS);
  return {
    c_iflag: termios.readUInt32LE(0),
    c_oflag: termios.readUInt32LE(4),
    c_cflag: termios.readUInt32LE(8),
    c_lflag: termios.readUInt32LE(12),
    c_line: termios[C_LINE]!,
    c_ispeed: 0, // in c_cflag; CRIU's images have none here
    c_ospeed: 0,
    c_cc: Array.from({ length: NCCS }, (_, i) => packed.readUInt32LE(4 * i)),
  };
}

function developWinsize({ row, col, xpixel, ypixel }: Winsize): Entry<'winsize_entry'> {
  return { ws_row: row, ws_col: col, ws_xpixel: xpixel, ws_ypixel: ypixel };
}

/**
 * Refuses terminals of others: `sessions` are those that have their leader in the tree, `masters`
 * the indices of pseudo terminals that have their master there.
 */
export function refuseTty(
  { detail }: Tty,
  place: Place,
  sessions: ReadonlySet<number>,
  masters: ReadonlySet<number>,
  { shellJob }: DevelopOptions,
): void {
  const { driver, index, sid, hung_up } = detail;
  if (!(driver in DRIVERS)) refuse(place, 'a terminal of a kind that ckpt does not dump');
  if (shellJob || hung_up) return;
  const remedy = '--shell-job allows it';
  if (sid && !sessions.has(sid))
    refuse(place, `the terminal of session ${sid} outside of the tree`, remedy);
  if (driver === 'pts' && !masters.has(index))
    refuse(place, 'a terminal whose other end is outside of the tree', remedy);
}

/** Input that nobody has read yet; terminals promise no delivery. */
export function warningsOfTty({ detail }: Tty, { pid, object }: Place): string[] {
  if (detail.unread <= 0) return [];
  return [`pid ${pid}: ${object}: not in the images: ${detail.unread} bytes that wait to be read`];
}
