// A flat store on an HTTP server that gives ranges, as long as it is let.
import { once } from 'node:events';
import { createReadStream, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Answers in another way; or not at all. False: as usual. */
export type Spoil = (response: ServerResponse) => boolean;

/** Runs `use` with the store's URL on loopback. */
export async function withHttp(
  store: string,
  use: (url: string) => Promise<void>,
  spoil: Spoil = () => false,
): Promise<void> {
  const server = createServer((request, response) => {
    if (!spoil(response)) give(store, request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/store`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

function give(store: string, { headers }: IncomingMessage, response: ServerResponse): void {
  const { size } = statSync(store);
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
  const [start, end] = [Number(first), Math.min(Number(last), size - 1)];
  response.writeHead(206, {
    'accept-ranges': 'bytes',
    'content-range': `bytes ${start}-${end}/${size}`,
    'content-length': end - start + 1,
  });
  createReadStream(store, { start, end }).pipe(response);
}
