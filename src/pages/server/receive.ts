/** A session of the page server that receives pages: `criu dump --page-server` at the other end. */

import { CkptError } from '../../errors.js';
import { PAGE_SIZE, PE_PARENT, PE_PRESENT } from '../../images/pagemap.js';
import { COMMAND, dstToOwner, pagesOf, type Iov } from '../iov.js';
import { answerClose, type Client } from './client.js';
import type { ReceivedSet } from './received-set.js';

/**
 * Resolves when the client has left and what it sent is complete: to true, or to false where it
 * sent nothing. Throws where it breaks off, or sends what cannot be.
 */
export async function receivePages(client: Client, set: ReceivedSet): Promise<boolean> {
  let isClosed = true;
  for (let iov = await client.next(); iov; iov = await client.next()) {
    isClosed = await take(client, set, iov);
    if (iov.command === COMMAND.FORCE_CLOSE) break;
  }
  if (isClosed) return set.isBegun;
  throw new CkptError('E_PROTOCOL', 'it left before it had sent all');
}

/** Resolves to whether all that was sent up to here has been confirmed. */
async function take(client: Client, set: ReceivedSet, iov: Iov): Promise<boolean> {
  switch (iov.command) {
    case COMMAND.OPEN:
      await set.open(dstToOwner(iov.dst));
      return false;
    case COMMAND.OPEN2: {
      const hasParent = await set.open(dstToOwner(iov.dst));
      await client.send(Uint8Array.of(Number(hasParent)));
      return false;
    }
    case COMMAND.PARENT:
      await client.answer(Number(set.hasParent(dstToOwner(iov.dst))));
      return false;
    case COMMAND.ADD:
    case COMMAND.ADD_F:
    case COMMAND.HOLE:
      await add(client, set, iov);
      return false;
  }
  if (iov.command === COMMAND.CLOSE || iov.command === COMMAND.FORCE_CLOSE) set.close();
  if (await answerClose(client, iov)) return true;
  throw new CkptError('E_PROTOCOL', `command ${iov.command} is none of a server that takes pages`);
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
