// Structs of a client of the page server by hand, and how they are sent.
import { once } from 'node:events';
import { connect } from 'node:net';
import { COMMAND, encodeIov, ownerToDst, type Iov } from '../../../src/pages/iov.js';
import { PAGE } from '../store.js';

export const dst = ownerToDst({ pid: 100 });
export const zero: Iov = { command: 0, flags: 0, count: 0n, vaddr: 0n, dst: 0n };
export const open = encodeIov('4.2', { ...zero, command: COMMAND.OPEN2, dst });
export const close = encodeIov('4.2', { ...zero, command: COMMAND.CLOSE });
export const add = (page: number, count: number, flags = 4): Buffer =>
  encodeIov('4.2', {
    ...{ command: COMMAND.ADD_F, flags, dst },
    ...{ count: BigInt(count), vaddr: BigInt(page) * BigInt(PAGE) },
  });
export const get = (iov: Partial<Iov>): Buffer =>
  encodeIov('4.2', {
    ...zero,
    command: COMMAND.GET,
    count: 1n,
    vaddr: 0x400000n,
    dst: 100n,
    ...iov,
  });

/** Sends bytes and the end of them; resolves to what came back when the server has closed the connection. */
export async function send(port: number, bytes: Uint8Array): Promise<Buffer> {
  const socket = connect({ port, host: '127.0.0.1' });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => {});
  socket.end(bytes);
  await once(socket, 'close');
  return Buffer.concat(chunks);
}
