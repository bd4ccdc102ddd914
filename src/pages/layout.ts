/**
 * Which of the two layouts of structs (iov.ts) the other end speaks: nobody says so, and a struct
 * in the wrong one makes a server crash. So both ends look before they speak.
 */

import { COMMAND, IOV_SIZE, type Layout, MAX_PID } from './iov.js';

/** As long as four structs of the older layout, and as three of the newer one. */
const QUESTION_SIZE = 96;

/** Bytes of the answer to CLOSE. */
export const ANSWER_SIZE = 4;

/** How many bytes of answers the question gets. */
export const ANSWERS: Readonly<Record<Layout, number>> = {
  '4.1': ANSWER_SIZE * (QUESTION_SIZE / IOV_SIZE['4.1']),
  '4.2': ANSWER_SIZE * (QUESTION_SIZE / IOV_SIZE['4.2']),
};

/**
 * A client's question: bytes that are CLOSEs and nothing else in either layout, since a CLOSE has
 * no fields but its command. Nothing comes of them but an answer to each, so that the number of
 * answers tells the layout, and both ends are at the border of two structs again, whichever it is.
 */
export function question(): Buffer {
  const bytes = Buffer.alloc(QUESTION_SIZE);
  for (const size of Object.values(IOV_SIZE)) {
    for (let at = 0; at < QUESTION_SIZE; at += size) bytes.writeUInt32LE(COMMAND.CLOSE, at);
  }
  return bytes;
}

/**
 * A server's guess from the first 24 bytes that a client sends; undefined where both would begin so,
 * as a CLOSE does. OPEN2 and PARENT have nothing but an owner, which is never 0: the older layout has it at
 * byte 16, where the newer one has an address, 0 then. With GET it is a pid in the older layout, and
 * the address of a page in the newer one.
 */
export function guessLayout(bytes: Buffer): Layout | undefined {
  const command = bytes.readUInt32LE() & 0xffff;
  const third = bytes.readBigUInt64LE(16);
  if (command === COMMAND.CLOSE || command === COMMAND.FORCE_CLOSE) return undefined;
  if (third === 0n) return '4.2';
  if (command !== COMMAND.GET) return third % 4096n === 0n ? '4.2' : '4.1';
  if (third >= MAX_PID) return '4.2';
  if (third % 4096n !== 0n) return '4.1';
  // Page 1 to 1023, or a pid that happens to look so: only the older layout has a count here.
  return bytes.readUInt32LE(4) === 0 ? '4.2' : '4.1';
}
