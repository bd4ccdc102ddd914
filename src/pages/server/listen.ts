/** The socket of the page server: who may connect, how many at a time, and in TLS or not. */

import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { CkptError } from '../../errors.js';
import type { TlsContext } from '../tls.js';

/** How long a client may take to say who it is. */
const HANDSHAKE_MS = 10_000;

export interface ListenOptions {
  address: string;
  port: number;
  /** Clients have to show a certificate of its authority. */
  tls?: TlsContext | undefined;
  /** How many clients at a time; further ones are closed at once. */
  maxClients: number;
  /** Whose connection is closed when this settles. It must not reject. */
  onClient: (socket: Socket) => Promise<void>;
  /** A client was turned away: who, and why. */
  onRefused: (client: string, why: string) => void;
}

export interface Listener {
  address: string;
  port: number;
  /** Closes all connections, and waits until all is done that the sessions do then. */
  close(): Promise<void>;
}

/** Throws CkptError E_ADDRESS where the address cannot be listened on. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const sessions = new Map<Socket, Promise<void>>();
  const server = await create(options, (socket) => {
    socket.on('error', () => {}); // whoever reads or writes is told
    const session = options.onClient(socket).then(() => {
      socket.destroySoon();
      sessions.delete(socket);
    });
    sessions.set(socket, session);
  });
  server.maxConnections = options.maxClients;
  server.on('drop', (from) =>
    options.onRefused(
      `${from?.remoteAddress}:${from?.remotePort}`,
      `there are ${options.maxClients} sessions already`,
    ),
  );
  const { address, port } = await bind(server, options);
  return {
    address,
    port,
    async close() {
      server.close();
      for (const socket of sessions.keys()) socket.destroy();
      await Promise.all(sessions.values());
    },
  };
}

async function create(
  { tls, onRefused }: ListenOptions,
  onSocket: (socket: Socket) => void,
): Promise<Server> {
  if (!tls) return createServer(onSocket);
  const { createServer: createTls } = await import('node:tls');
  const options = { ...tls, requestCert: true, handshakeTimeout: HANDSHAKE_MS };
  const server = createTls(options, onSocket);
  server.on('tlsClientError', (error, { remoteAddress, remotePort }) => {
    onRefused(`${remoteAddress}:${remotePort}`, `no TLS session: ${error.message}`);
  });
  return server;
}

async function bind(server: Server, { address, port }: ListenOptions) {
  try {
    server.listen({ host: address, port });
    await once(server, 'listening');
    return server.address() as { address: string; port: number };
  } catch (error) {
    const { message } = error as Error;
    throw new CkptError('E_ADDRESS', `cannot listen on ${address}:${port}: ${message}`);
  }
}
