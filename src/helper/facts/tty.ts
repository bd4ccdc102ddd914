/**
 * Facts of a terminal.
 */

import type { Bytes } from './scalar.js';

export interface Winsize {
  row: number;
  col: number;
  xpixel: number;
  ypixel: number;
}

export interface TtyDetail {
  driver: 'ptmx' | 'pts' | 'tty' | 'console' | 'vt' | 'serial' | 'other';
  index: number;
  locked: boolean;
  exclusive: boolean;
  packet: boolean;
  /** Of the session whose controlling terminal it is, if a task of the tree is in that. */
  sid?: number;
  pgrp?: number;
  /** st_rdev of the terminal behind /dev/tty or /dev/console; of a master: its slave's. */
  real_dev?: number;
  /** struct termios2, by TCGETS2; like those below absent if hung up. */
  termios?: Bytes;
  termios_locked?: Bytes;
  winsize?: Winsize;
  /** Bytes that a read would find. */
  unread: number;
  hung_up: boolean;
}
