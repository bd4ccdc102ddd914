/**
 * Watches on files: inotify(7) and fanotify(7).
 *
 * A restore looks for what is watched by its name. (A watch on a deleted file ends as it is restored.)
 * Events that wait are in no image: whoever reads them first has them.
 */

import { readFileSync } from 'node:fs';
import { fd_types } from '../../images/gen/fdinfo.js';
import { mark_type } from '../../images/gen/fsnotify.js';
import type { FanotifyMark, FileOf, Watched } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';
import { type Place, refuse } from '../refuse.js';
import { developOwner } from './fown.js';
import { kernelDev, numbersOf } from './regular.js';

/** The events of inotify(7); a restore asks for no other bits. */
const IN_ALL_EVENTS = 0xfff;
const IN_EXCL_UNLINK = 0x4000000;
const IN_ONESHOT = 0x80000000;
/** The mark flags of fanotify(7) that are a mark's own. */
const FAN_MARK_IGNORED_SURV_MODIFY = 0x40;
/** 64-bit words that the image has for every handle. */
const HANDLE_WORDS = 16;

export function developInotify(file: FileOf<'inotify'>, place: Place): Entry<'file_entry'> {
  const { id, flags, detail } = file;
  const wd = detail.watches.map(({ wd, mask, ...watched }) => {
    if (mask & IN_ONESHOT) refuse(place, `a watch for one event only (IN_ONESHOT, wd ${wd})`);
    return {
      ...{ id, wd, mask: mask & IN_ALL_EVENTS, ignored_mask: 0 },
      i_ino: watched.ino,
      s_dev: kernelDev(watched.dev),
      f_handle: developHandle(watched, place),
    };
  });
  return { type: fd_types.INOTIFY, id, ify: { id, flags, fown: developOwner(file.fown), wd } };
}

export function developFanotify(file: FileOf<'fanotify'>, place: Place): Entry<'file_entry'> {
  const { id, flags, detail } = file;
  const { init_flags: faflags, event_flags: evflags } = detail;
  const mark = detail.marks.map((mark) => developMark(id, mark, place));
  const fown = developOwner(file.fown);
  return { type: fd_types.FANOTIFY, id, ffy: { id, flags, fown, faflags, evflags, mark } };
}

function developMark(id: number, mark: FanotifyMark, place: Place): Entry<'fanotify_mark_entry'> {
  const { mark_flags: mflags, mask, ignored_mask } = mark;
  if (mflags & ~FAN_MARK_IGNORED_SURV_MODIFY) {
    refuse(place, `a mark with flags that a restore does not set (${mflags.toString(16)})`);
  }
  const entry = { id, mflags, mask, ignored_mask };
  switch (mark.of) {
    case 'inode': {
      const ie = { i_ino: mark.ino, f_handle: developHandle(mark, place) };
      return { ...entry, type: mark_type.INODE, s_dev: kernelDev(mark.dev), ie };
    }
    case 'mount': {
      const mount = mountOf(mark.mnt_id);
      if (!mount)
        return refuse(place, `a mark on mount ${mark.mnt_id}, which is not there any more`);
      const me = { mnt_id: mark.mnt_id, path: mount.point.slice(1) || '.' };
      return { ...entry, type: mark_type.MOUNT, s_dev: mount.dev, me };
    }
    default:
      return refuse(place, 'a mark that is neither on an inode nor on a mount');
  }
}

function developHandle(watched: Watched, place: Place): Entry<'fh_entry'> {
  const { dev, ino, handle, path } = watched;
  if (path === undefined) {
    const { major, minor } = numbersOf(dev);
    const what = `inode ${BigInt(ino)} of device ${major}:${minor}`;
    refuse(place, `it watches ${what}, which was deleted or for which no name can be found`);
  }
  const bytes = Buffer.from(handle?.bytes ?? '', 'base64');
  const words = Buffer.concat([bytes], 8 * HANDLE_WORDS);
  const values = Array.from({ length: HANDLE_WORDS }, (_, i) => words.readBigUInt64LE(8 * i));
  return { bytes: bytes.length, type: handle?.type ?? 0, handle: values, path };
}

/** Where our mount namespace has a mount, and the device's number as the kernel has it (MKDEV). */
function mountOf(id: number): { point: string; dev: number } | undefined {
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [mount, , dev = '', , point = ''] = line.split(' ');
    const [major, minor] = dev.split(':').map(Number);
    if (Number(mount) === id) return { point, dev: ((major! << 20) | minor!) >>> 0 };
  }
  return undefined;
}

type Notify = FileOf<'inotify'> | FileOf<'fanotify'>;

/** What a restore will not give back. */
export function warningsOfNotify(file: Notify, { pid, object }: Place): string[] {
  const { unread } = file.detail;
  const lost = unread > 0 ? [`${unread} bytes of events that wait to be read`] : [];
  if (file.kind === 'inotify' && file.detail.watches.some(({ mask }) => mask & IN_EXCL_UNLINK)) {
    lost.push('IN_EXCL_UNLINK');
  }
  return lost.map((what) => `pid ${pid}: ${object}: not in the images: ${what}`);
}
