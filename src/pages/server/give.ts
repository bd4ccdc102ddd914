/** A session of the page server that gives pages: `criu lazy-pages --page-server` at the other end. */

import { CkptError } from '../../errors.js';
import { PAGE_SIZE, PE_PRESENT } from '../../images/pagemap.js';
import { COMMAND, pagesOf, pidOf, type Iov } from '../iov.js';
import type { Manifest } from '../manifest.js';
import { lacks, listedFrom, zerosFrom } from '../ranges.js';
import type { PageSource } from '../source.js';
import { answerClose, type Client } from './client.js';

/** Pages given at a time, 4 MiB, be more of them asked for: who asks has to take less. */
const MAX_GIVEN = 1024;

/** Resolves when the client has left, to the number of pages that it got. */
export async function givePages(
  client: Client,
  set: Manifest,
  source: PageSource,
): Promise<number> {
  let pages = 0;
  for (let iov = await client.next(); iov; iov = await client.next()) {
    if (await answerClose(client, iov)) break;
    // Asked of whoever might speak another layout; there is nothing to tell.
    if (iov.command === COMMAND.PARENT) await client.answer();
    else if (iov.command === COMMAND.GET) pages += await give(client, set, source, iov);
    else throw refused(iov);
  }
  return pages;
}

/** One reply. Nothing in the protocol says that there are none: then the session ends. */
async function give(client: Client, set: Manifest, source: PageSource, iov: Iov): Promise<number> {
  const asked = pagesOf(iov);
  const wanted = { owner: { pid: pidOf(iov.dst) }, ...asked };
  const listed = listedFrom(set, wanted, MAX_GIVEN);
  const run = { ...wanted, count: listed || zerosFrom(set, wanted, MAX_GIVEN) };
  if (run.count === 0) throw lacks(source.name, wanted, `${set.dir} does not list them`);
  const bytes = listed > 0 ? await source.read(run) : Buffer.alloc(run.count * PAGE_SIZE);
  await client.sendIov({
    ...iov,
    command: COMMAND.ADD_F,
    flags: PE_PRESENT,
    count: BigInt(run.count),
  });
  await client.send(bytes);
  return run.count;
}

function refused({ command }: Iov): CkptError {
  const message = `command ${command} is none of a server that gives pages (--lazy-pages)`;
  return new CkptError('E_PROTOCOL', message);
}
