/**
 * The structs of CRIU's page server: what its two ends say to each other, as bytes.
 *
 * There are two layouts and no version number, in the byte order of the machine: up to 4.1.1 the
 * count of pages is a u32 at byte 4, and a struct has 24 bytes; from 4.2 it is a u64 at byte 8, and
 * a struct has 32. The command's upper half holds PE_* flags. Only ADD, ADD_F, HOLE and GET use
 * count and address; CLOSE and FORCE_CLOSE use no other field at all.
 */

import { CkptError } from '../errors.js';
import { PAGE_SIZE, type Owner } from '../images/pagemap.js';

/** Named after the releases of CRIU. */
export type Layout = '4.1' | '4.2';

export const LAYOUTS: readonly Layout[] = ['4.1', '4.2'];

export const COMMAND = {
  ADD: 1, // pages follow
  HOLE: 2, // pages are the parent's
  OPEN: 3, // what comes is of this owner
  OPEN2: 4, // the same; answered with a byte: is there a parent?
  PARENT: 5, // answered with an i32: is there a parent?
  ADD_F: 6, // with flags; pages follow if they say PE_PRESENT
  GET: 7, // answered with an ADD_F
  CLOSE: 0x1023, // the session is over; answered with an i32, 0
  FORCE_CLOSE: 0x1024, // the same
} as const;

/** One struct, its fields as they stand there. */
export interface Iov {
  command: number;
  flags: number;
  count: bigint;
  vaddr: bigint;
  dst: bigint;
}

/** Bytes of a struct. */
export const IOV_SIZE: Readonly<Record<Layout, number>> = { '4.1': 24, '4.2': 32 };

/** Addresses end below 2^57, with five levels of page tables. */
const MAX_PAGE = 2n ** 45n;
const PAGE = BigInt(PAGE_SIZE);
const TYPE = { pid: 1n, shmem: 2n };
/** Pids are below 2^22. */
export const MAX_PID = 2n ** 22n;

export function encodeIov(layout: Layout, { command, flags, count, vaddr, dst }: Iov): Buffer {
  const bytes = Buffer.alloc(IOV_SIZE[layout]);
  bytes.writeUInt32LE(((flags << 16) | command) >>> 0);
  if (layout === '4.1') bytes.writeUInt32LE(Number(count), 4);
  else bytes.writeBigUInt64LE(count, 8);
  bytes.writeBigUInt64LE(vaddr, bytes.length - 16);
  bytes.writeBigUInt64LE(dst, bytes.length - 8);
  return bytes;
}

/** The fields of a struct; `bytes` holds all of it. Whether they make sense is the reader's to ask. */
export function decodeIov(layout: Layout, bytes: Buffer): Iov {
  const word = bytes.readUInt32LE();
  return {
    command: word & 0xffff,
    flags: word >>> 16,
    count: layout === '4.1' ? BigInt(bytes.readUInt32LE(4)) : bytes.readBigUInt64LE(8),
    vaddr: bytes.readBigUInt64LE(IOV_SIZE[layout] - 16),
    dst: bytes.readBigUInt64LE(IOV_SIZE[layout] - 8),
  };
}

/** The pages that a struct is about. Throws CkptError E_PROTOCOL for what no address space has. */
export function pagesOf({ count, vaddr }: Iov): { page: number; count: number } {
  if (vaddr % PAGE !== 0n) throw bad(`0x${vaddr.toString(16)} is not the address of a page`);
  const page = vaddr / PAGE;
  if (count === 0n || page + count > MAX_PAGE) {
    throw bad(`no address space has ${count} pages at 0x${vaddr.toString(16)}`);
  }
  return { page: Number(page), count: Number(count) };
}

/** How all commands but GET name an owner. */
export function ownerToDst(owner: Owner): bigint {
  const isTask = 'pid' in owner;
  const id = isTask ? BigInt(owner.pid) : owner.shmem;
  return (id << 8n) | (isTask ? TYPE.pid : TYPE.shmem);
}

/** Throws CkptError E_PROTOCOL where `dst` names none. */
export function dstToOwner(dst: bigint): Owner {
  const [type, id] = [dst & 0xffn, dst >> 8n];
  if (type === TYPE.shmem) return { shmem: id };
  if (type === TYPE.pid) return { pid: pidOf(id) };
  throw bad(`0x${dst.toString(16)} names no pagemap`);
}

/** A pid alone, as GET has it. Throws CkptError E_PROTOCOL where it is none. */
export function pidOf(id: bigint): number {
  if (id > 0n && id < MAX_PID) return Number(id);
  throw bad(`${id} is no pid`);
}

function bad(what: string): CkptError {
  return new CkptError('E_PROTOCOL', `the page server's protocol was violated: ${what}`);
}
