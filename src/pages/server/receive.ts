/** A session of the page server that receives pages: `criu dump --page-server` at the other end. */

import { CkptError } from '../../errors.js';
import { PAGE_SIZE, PE_PARENT, PE_PRESENT } from '../../images/pagemap.js';
import { COMMAND, dstToOwner, pagesOf, type Iov } from '../iov.js';
import { answerClose, type Client } from './client.js';
import type { ReceivedSet } from './received-set.js';

/**
 * Resolves when the client has said that it has sent all, and has been answered: to true, or to
 * false where it sent nothing. Throws where it breaks off, or sends what cannot be.
 */
export async function receivePages(client: Client, set: ReceivedSet): Promise<boolean> {
  for (let iov = await client.next(); iov; iov = await client.next()) {
    if (iov.command === COMMAND.CLOSE || iov.command === COMMAND.FORCE_CLOSE) set.close();
    if (await answerClose(client, iov)) return set.isBegun;
    await take(client, set, iov);
  }
  if (!set.isBegun) return false;
  throw new CkptError('E_PROTOCOL', 'it left before it had sent all');
}

async function take(client: Client, set: ReceivedSet, iov: Iov): Promise<void> {
  const { command } = iov;
  if (command === COMMAND.ADD || command === COMMAND.ADD_F || command === COMMAND.HOLE) {
    return add(client, set, iov);
  }
  if (command === COMMAND.PARENT) return client.answer(Number(set.hasParent(dstToOwner(iov.dst))));
  if (command !== COMMAND.OPEN && command !== COMMAND.OPEN2) {
    throw new CkptError('E_PROTOCOL', `command ${command} is none of a server that takes pages`);
  }
  const hasParent = await set.open(dstToOwner(iov.dst));
  if (command === COMMAND.OPEN2) await client.send(Uint8Array.of(Number(hasParent)));
}

async function add(client: Client, set: ReceivedSet, iov: Iov): Promise<void> {
  const flags = flagsOf(iov);
  const run = { owner: dstToOwner(iov.dst), ...pagesOf(iov) };
  await set.add(run, flags);
  if (!(flags & PE_PRESENT)) return;
  for await (const bytes of client.data(run.count * PAGE_SIZE)) set.write(bytes);
}

function flagsOf({ command, flags }: Iov): number {
  if (command === COMMAND.ADD) return PE_PRESENT;
  return command === COMMAND.HOLE ? PE_PARENT : flags;
}
