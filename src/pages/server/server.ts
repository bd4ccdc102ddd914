/**
 * The page server: CRIU's, in both of its uses. One that receives takes one dump and ends with it,
 * as CRIU's does; one that gives pages serves whoever comes until it is closed. Clients that send
 * what cannot be are turned away, one line each.
 */

import { CkptError } from '../../errors.js';
import type { Layout } from '../iov.js';
import type { Manifest } from '../manifest.js';
import type { PageSource } from '../source.js';
import type { TlsContext } from '../tls.js';
import { Client } from './client.js';
import { givePages } from './give.js';
import { listen, type Listener } from './listen.js';
import { receivePages } from './receive.js';
import { ReceivedSet } from './received-set.js';

/** Restores that may be served at a time. */
const MAX_CLIENTS = 16;

export interface PageServerOptions {
  /** Default: loopback, 127.0.0.1. */
  address?: string;
  /** Default: any that is free. */
  port?: number;
  /** Of all clients; without it each client's first struct tells. */
  layout?: Layout | undefined;
  tls?: TlsContext | undefined;
  /** Called with each line about a client. */
  onLog?: (line: string) => void;
}

export interface PageServer extends Listener {
  /** Of one that receives: resolves when a dump's pages are complete; rejects when they will not be. */
  done: Promise<Received>;
}

export interface Received {
  owners: number;
  pages: number;
}

/** Gives the pages of `set`, which `source` has, to lazy restores. The caller opens and closes it. */
export function servePages(
  set: Manifest,
  source: PageSource,
  options: PageServerOptions = {},
): Promise<Listener> {
  const { layout, onLog = () => {} } = options;
  return listen({
    ...common(options),
    maxClients: MAX_CLIENTS,
    async onClient(socket) {
      const client = new Client(socket, layout);
      try {
        const pages = await givePages(client, set, source);
        onLog(`${client.name} has left with ${pages} pages`);
      } catch (error) {
        onLog(`refused ${client.name}: ${(error as Error).message}`);
      }
    },
  });
}

/** Receives the pages of one dump into the folder `dir`. What breaks off leaves nothing behind. */
export async function takePages(dir: string, options: PageServerOptions = {}): Promise<PageServer> {
  let end: (received: Received | CkptError) => void;
  const done = new Promise<Received>((resolve, reject) => {
    end = (result) => (result instanceof CkptError ? reject(result) : resolve(result));
  });
  done.catch(() => {}); // be there somebody who waits for it or not
  const listener = await listen({
    ...common(options),
    maxClients: 1,
    async onClient(socket) {
      const result = await receive(new Client(socket, options.layout), dir, options);
      if (result) end(result);
    },
  });
  return { ...listener, done };
}

/** One session: what became of a dump, or nothing where the client had none. */
async function receive(
  client: Client,
  dir: string,
  { onLog = () => {} }: PageServerOptions,
): Promise<Received | CkptError | undefined> {
  const set = new ReceivedSet(dir);
  try {
    if (await receivePages(client, set)) return { owners: set.owners, pages: set.pages };
    onLog(`${client.name}: left without a word`);
    return undefined;
  } catch (error) {
    const isBegun = set.isBegun;
    set.discard();
    const why = `${client.name}: ${(error as Error).message}`;
    if (isBegun) return brokenOff(why, error);
    onLog(`refused ${why}`);
    return undefined;
  }
}

function brokenOff(why: string, error: unknown): CkptError {
  const code = error instanceof CkptError ? error.code : 'E_PROTOCOL';
  const message = `the dump of ${why}; what it had sent is removed`;
  return new CkptError(code, message, {}, { cause: error });
}

function common({ address = '127.0.0.1', port = 0, tls, onLog = () => {} }: PageServerOptions) {
  const onRefused = (client: string, why: string): void => onLog(`refused ${client}: ${why}`);
  return { address, port, tls, onRefused };
}
