/**
 * Which of the two layouts of structs (iov.ts) the other end speaks: nobody says so, and a struct
 * in the wrong one makes a server crash. So both ends look before they speak.
 *
 * A client asks with PARENT, the one command that changes nothing and is answered. It sends as much as
 * is a whole struct in the older layout and part of one in the newer. If no answer comes, it
 * sends the rest, which is answered then, and asks once more, in the newer layout: a server of the
 * older one that was only slow takes that for an unknown command, and closes the connection.
 */

import { COMMAND, encodeIov, type Iov, IOV_SIZE, type Layout, MAX_PID } from './iov.js';

/** Bytes of the answers to CLOSE and PARENT. */
export const ANSWER_SIZE = 4;

/** A process of no set; and no command, where its name is taken for one. */
const NOBODY = 0x1101n;

const ASK: Iov = { command: COMMAND.PARENT, flags: 0, count: 0n, vaddr: 0n, dst: NOBODY };

/** The parts of a client's question, in the order in which they are sent. */
export function questions(): { first: Buffer; rest: Buffer; last: Buffer } {
  const first = encodeIov('4.1', ASK);
  const rest = encodeIov('4.2', ASK).subarray(IOV_SIZE['4.1']);
  return { first, rest, last: encodeIov('4.2', ASK) };
}

/**
 * A server's guess from the first 24 bytes that a client sends. Where they tell nothing, as of a
 * CLOSE, which has no more than these, it is the older layout. OPEN2 and PARENT have nothing
 * but an owner, which is never 0: the older layout has it at byte 16, where the newer one has an
 * address, 0 then. With GET it is a pid in the older layout, the address of a page in the newer one.
 */
export function guessLayout(bytes: Buffer): Layout {
  const command = bytes.readUInt32LE() & 0xffff;
  const third = bytes.readBigUInt64LE(16);
  if (command === COMMAND.CLOSE || command === COMMAND.FORCE_CLOSE) return '4.1';
  if (command !== COMMAND.GET) return third % 4096n === 0n ? '4.2' : '4.1';
  if (third >= MAX_PID) return '4.2';
  if (third % 4096n !== 0n) return '4.1';
  // A page below 4 MiB, or a pid that looks like one: only the older layout has a count here.
  return bytes.readUInt32LE(4) === 0 ? '4.2' : '4.1';
}
