/** `ckpt page-server`: CRIU's page server, in both of its uses. */

import { findFolders } from '../dump/folders.js';
import { tellReady } from '../dump/notices.js';
import { CkptError } from '../errors.js';
import { type Layout, LAYOUTS } from '../pages/iov.js';
import { parseSource } from '../pages/open.js';
import { readManifest } from '../pages/read-manifest.js';
import { reliable } from '../pages/retry.js';
import type { Listener } from '../pages/server/listen.js';
import {
  servePages,
  takePages,
  type PageServerOptions,
  type Received,
} from '../pages/server/server.js';
import { loadTls } from '../pages/tls.js';
import { printJson, say } from './print.js';
import { abortOnSignals } from './signals.js';
import { plural } from './units.js';

type Values = Record<string, unknown>;

export async function run(values: Values): Promise<number> {
  const dir = values['images-dir'] as string | undefined;
  if (dir === undefined) throw usage('-D DIR is missing: the folder of the images');
  if (values.from !== undefined && !values['lazy-pages']) {
    throw usage('--from goes with --lazy-pages: without it, the pages come from a dump');
  }
  const options = { ...readOptions(values), onLog: (line: string) => say(`ckpt: ${line}`) };
  return values['lazy-pages'] ? give(dir, values, options) : take(dir, values, options);
}

/** Until a signal ends it. */
async function give(dir: string, values: Values, options: PageServerOptions): Promise<number> {
  const signal = abortOnSignals('the page server');
  const set = await readManifest(dir);
  const source = reliable(parseSource((values.from as string | undefined) ?? `images:${dir}`));
  try {
    await source.open?.(set);
    const server = await servePages(set, source, options);
    announce(server, values);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
    await server.close();
    if (values.json) printJson({ ok: true, address: server.address, port: server.port });
    return 0;
  } finally {
    await source.close?.();
  }
}

/** Until the pages of one dump are there. */
async function take(dir: string, values: Values, options: PageServerOptions): Promise<number> {
  const { images } = findFolders(dir);
  const signal = abortOnSignals('the page server');
  const server = await takePages(images, options);
  announce(server, values);
  try {
    const received = await Promise.race([server.done, rejection(signal)]);
    report(received, images, values);
    return 0;
  } finally {
    await server.close();
  }
}

function announce({ address, port }: Listener, values: Values): void {
  say(`ckpt: listening on ${address.includes(':') ? `[${address}]` : address}:${port}`);
  tellReady({ statusFd: values['status-fd'] as number | undefined });
}

function report(received: Received, dir: string, { json }: Values): void {
  if (json) return printJson({ ok: true, imagesDir: dir, ...received });
  const pages = plural(received.pages, 'page');
  say(`Received ${pages} in ${plural(received.owners, 'pagemap')} into ${dir}`);
}

function readOptions(values: Values): PageServerOptions {
  const { address, port, layout, tls } = values as PageServerOptions & { tls?: boolean };
  if (layout !== undefined && !LAYOUTS.includes(layout)) {
    throw usage(`--layout: '${String(layout)}' is none of ${LAYOUTS.join(', ')}`);
  }
  if (port !== undefined && port > 65535) throw usage(`--port: ${port} is no port`);
  const files = {
    cacert: values['tls-cacert'] as string | undefined,
    cert: values['tls-cert'] as string | undefined,
    key: values['tls-key'] as string | undefined,
  };
  if (!tls && Object.values(files).some((file) => file !== undefined)) {
    throw usage('--tls-cacert, --tls-cert and --tls-key go with --tls');
  }
  return {
    ...(address !== undefined && { address }),
    ...(port !== undefined && { port }),
    layout: layout as Layout | undefined,
    tls: tls ? loadTls(files) : undefined,
  };
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}

function usage(message: string): CkptError {
  return new CkptError('E_USAGE', message);
}
