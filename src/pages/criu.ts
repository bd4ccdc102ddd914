/**
 * `criu:HOST:PORT`: pages from a page server of CRIU's protocol. It has what a restore can take
 * late, and nothing else: it closes the connection on whoever asks for other pages, so nobody does.
 */

import { CkptError } from '../errors.js';
import { PAGE_SIZE, PE_LAZY } from '../images/pagemap.js';
import { CriuConnection, MAX_ASKED, type Server } from './criu-connection.js';
import { LAYOUTS, type Layout } from './iov.js';
import type { Manifest } from './manifest.js';
import { lacks, rangesOf } from './ranges.js';
import type { PageRun, PageSource } from './source.js';
import { loadTls } from './tls.js';

/** What follows `criu:`. */
export const CRIU_FORM = 'HOST:PORT[?layout=4.1|4.2]';

/** Options of a TLS session, in the place of or after `layout`. */
const TLS_FORM = 'tls, tls-cacert=FILE, tls-cert=FILE, tls-key=FILE, tls-no-cn-verify';

export class CriuSource implements PageSource {
  #set: Manifest | undefined;
  #connection: Promise<CriuConnection> | undefined;

  constructor(
    readonly name: string,
    private readonly server: Server,
  ) {}

  /** From what follows `criu:`. Throws CkptError E_USAGE. */
  static parse(text: string): CriuSource {
    const name = `criu:${text}`;
    const url = URL.canParse(`criu://${text}`) ? new URL(`criu://${text}`) : undefined;
    if (!url?.hostname || !url.port || url.pathname || url.username) throw usage(name);
    return new CriuSource(name, {
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: Number(url.port),
      ...readOptions(name, url.searchParams),
    });
  }

  async open(set: Manifest): Promise<void> {
    this.#set = set;
    const opened = this.#connect();
    await opened.catch((error) => {
      if (this.#connection === opened) this.#connection = undefined;
      throw error;
    });
  }

  async read(run: PageRun, signal?: AbortSignal): Promise<Uint8Array> {
    const pid = this.#pidOf(run);
    const bytes = Buffer.alloc(run.count * PAGE_SIZE);
    const pieces = Array.from({ length: Math.ceil(run.count / MAX_ASKED) }, (_, i) =>
      bytes.subarray(i * MAX_ASKED * PAGE_SIZE, (i + 1) * MAX_ASKED * PAGE_SIZE),
    );
    await Promise.all(
      pieces.map((piece, i) => this.#fill(piece, pid, run.page + i * MAX_ASKED, signal)),
    );
    return bytes;
  }

  async close(): Promise<void> {
    const connection = await this.#connection?.catch(() => undefined);
    this.#connection = undefined;
    await connection?.close();
  }

  /** A reply may hold less than was asked for: where a mapping ends, for instance. */
  async #fill(bytes: Buffer, pid: number, page: number, signal?: AbortSignal): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      signal?.throwIfAborted();
      const wanted = (bytes.length - done) / PAGE_SIZE;
      const got = await this.#get(pid, page + done / PAGE_SIZE, wanted);
      done += got.copy(bytes, done);
    }
  }

  /** Over the connection that there is, or a new one; one that fails is not used again. */
  async #get(pid: number, page: number, count: number): Promise<Buffer> {
    const used = this.#connect();
    try {
      return await (await used).get(pid, page, count);
    } catch (error) {
      if (this.#connection === used) this.#connection = undefined;
      throw error;
    }
  }

  #connect(): Promise<CriuConnection> {
    this.#connection ??= CriuConnection.open(this.server);
    return this.#connection;
  }

  #pidOf(run: PageRun): number {
    const ranges = rangesOf(this.#set!, run);
    const isServed = ranges?.every(({ flags }) => flags & PE_LAZY);
    if ('pid' in run.owner && isServed) return run.owner.pid;
    throw lacks(this.name, run, 'a page server has only pages that a restore can take late');
  }
}

function readOptions(name: string, given: URLSearchParams): Pick<Server, 'layout' | 'tls'> {
  const { layout, tls, ...rest } = Object.fromEntries(given);
  const { 'tls-cacert': cacert, 'tls-cert': cert, 'tls-key': key, ...others } = rest;
  const { 'tls-no-cn-verify': anyName, ...unknown } = others;
  if (Object.keys(unknown).length > 0) throw usage(name);
  if (layout !== undefined && !LAYOUTS.includes(layout as Layout)) throw usage(name);
  if (tls === undefined && Object.keys(rest).length > 0) throw usage(name);
  const context = tls === undefined ? undefined : loadTls({ cacert, cert, key });
  return {
    layout: layout as Layout | undefined,
    tls: context && { ...context, checksName: anyName === undefined },
  };
}

function usage(name: string): CkptError {
  return new CkptError('E_USAGE', `'${name}' is not of the form criu:${CRIU_FORM}`, {
    remedy: `further options, each after a &: ${TLS_FORM}`,
  });
}
