/**
 * Pipes and fifos, and what is in them.
 */

import { fd_types } from '../../images/gen/fdinfo.js';
import type { FileOf, PipeFrame } from '../../helper/protocol.js';
import type { Entry } from '../entry.js';
import type { DevelopOptions } from '../options.js';
import { type Place, refuse } from '../refuse.js';
import { developOwner } from './fown.js';

const O_ACCMODE = 0o3;
const O_WRONLY = 0o1;
const O_DIRECT = 0o40000;

export function developPipe(file: FileOf<'pipe'>): Entry<'file_entry'> {
  const { id, flags, fown, detail } = file;
  return {
    type: fd_types.PIPE,
    id,
    pipe: {
      id,
      pipe_id: pipeId(detail.pipe),
      flags: flags & ~O_DIRECT,
      fown: developOwner(fown),
    },
  };
}

/** A fifo; `regf_id` is the file by which it is opened. */
export function developFifo(file: FileOf<'fifo'>, regf_id: number): Entry<'file_entry'> {
  const { id, detail } = file;
  return { type: fd_types.FIFO, id, fifo: { id, pipe_id: pipeId(detail.pipe), regf_id } };
}

/** What a restore puts into the pipe, and its capacity; the data follows the entry. */
export function developPipeData({
  ino,
  data,
  capacity,
}: PipeFrame): [entry: Entry<'pipe_data_entry'>, data: Buffer] {
  const bytes = Buffer.from(data, 'base64');
  return [{ pipe_id: pipeId(ino), bytes: bytes.length, size: capacity }, bytes];
}

/** Only through a reading end is there anything that a restore can give back. */
export function canRead({ flags }: { flags: number }): boolean {
  return (flags & O_ACCMODE) !== O_WRONLY;
}

/** Refuses pipes that keep packets apart, and such as lead out of the tree. */
export function refusePipe(
  pipe: PipeFrame,
  file: FileOf<'pipe'> | FileOf<'fifo'>,
  place: Place,
  { external }: DevelopOptions,
): void {
  if (pipe.packet || pipe.packets) refuse(place, 'a pipe in packet mode (O_DIRECT)');
  const isGiven = external?.includes(file.link);
  if (!pipe.peer_missing || isGiven) return;
  const remedy = file.kind === 'pipe' ? `--external '${file.link}' allows it` : undefined;
  refuse(place, 'its other end is outside of the tree', remedy);
}

/** 32 bits in an image; inode numbers of pipes are no wider, of fifos CRIU takes the low half too. */
function pipeId(ino: string): number {
  return Number(BigInt.asUintN(32, BigInt(ino)));
}
