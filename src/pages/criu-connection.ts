/**
 * A connection to a page server that gives pages (`criu page-server --lazy-pages`, `criu dump
 * --lazy-pages`, `ckpt page-server --lazy-pages`). Requests may be many at a time: replies come in
 * their order. A connection on which anything went wrong is of no more use.
 */

import { connect as connectTcp, type Socket } from 'node:net';
import { once } from 'node:events';
import { PAGE_SIZE, PE_PRESENT } from '../images/pagemap.js';
import { COMMAND, decodeIov, encodeIov, IOV_SIZE, type Iov, type Layout } from './iov.js';
import { ANSWER_SIZE, questions } from './layout.js';
import { ByteStream } from './stream.js';
import type { TlsContext } from './tls.js';

/** The most pages to ask for at a time: the server passes them through a pipe, in one piece or not at all. */
export const MAX_ASKED = 64;
/** How long a server may be silent while an answer is due. */
const SILENCE_MS = 20_000;
/** How long an answer may take; the system may hold a short one back for 200 ms by itself. */
const ANSWER_MS = 1_000;

export interface Server {
  host: string;
  port: number;
  /** Where it is known; else the server is asked. Over TLS it cannot be: 4.2 then. */
  layout?: Layout | undefined;
  tls?: (TlsContext & { checksName: boolean }) | undefined;
}

export class CriuConnection {
  readonly #stream: ByteStream;
  #last: Promise<unknown> = Promise.resolve();
  #due = 0;

  private constructor(
    private readonly socket: Socket,
    private layout: Layout,
  ) {
    this.#stream = new ByteStream(socket);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    socket.on('timeout', () => {
      if (this.#due > 0) socket.destroy(new Error(`silent for ${SILENCE_MS / 1000} s`));
    });
  }

  static async open({ host, port, layout, tls }: Server): Promise<CriuConnection> {
    const socket = connectTcp({ host, port });
    socket.setTimeout(SILENCE_MS, () => socket.destroy(new Error('it does not answer')));
    try {
      await once(socket, 'connect');
      const connection = new CriuConnection(
        tls ? await secure(socket, host, tls) : socket,
        layout ?? '4.2',
      );
      if (!layout && !tls) await connection.#findLayout();
      return connection;
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  /** Up to `count` pages from `page` on, at least one; `count` is at most MAX_ASKED. */
  async get(pid: number, page: number, count: number): Promise<Buffer> {
    const asked: Iov = {
      command: COMMAND.GET,
      flags: 0,
      count: BigInt(count),
      vaddr: BigInt(page) * BigInt(PAGE_SIZE),
      dst: BigInt(pid),
    };
    this.socket.write(encodeIov(this.layout, asked));
    return this.#inOrder(() => this.#takeReply(asked));
  }

  /** Tells the server that all is done, so that it ends in order, and waits for its word. */
  async close(): Promise<void> {
    if (this.socket.destroyed) return;
    const close: Iov = { command: COMMAND.CLOSE, flags: 0, count: 0n, vaddr: 0n, dst: 0n };
    this.socket.write(encodeIov(this.layout, close));
    await this.#inOrder(() => this.#stream.expect(ANSWER_SIZE)).catch(() => {});
    this.socket.end();
    this.socket.destroySoon();
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** As layout.ts tells. */
  async #findLayout(): Promise<void> {
    const { first, rest, last } = questions();
    this.#due++;
    this.socket.write(first);
    if (await this.#stream.has(ANSWER_SIZE, ANSWER_MS)) {
      this.layout = '4.1';
    } else {
      this.socket.write(rest);
      await this.#stream.expect(ANSWER_SIZE);
      this.socket.write(last);
    }
    await this.#stream.expect(ANSWER_SIZE);
    this.#due--;
  }

  /** Runs `action` when all before it have got theirs. */
  async #inOrder<T>(action: () => Promise<T>): Promise<T> {
    this.#due++;
    const own = this.#last.then(action);
    this.#last = own;
    own.catch(() => this.socket.destroy());
    return own.finally(() => this.#due--);
  }

  async #takeReply(asked: Iov): Promise<Buffer> {
    const iov = decodeIov(this.layout, await this.#stream.expect(IOV_SIZE[this.layout]));
    const isReply =
      iov.command === COMMAND.ADD_F &&
      iov.flags === PE_PRESENT &&
      iov.vaddr === asked.vaddr &&
      iov.dst === asked.dst &&
      iov.count > 0n &&
      iov.count <= asked.count;
    if (!isReply) throw new Error('what it sends is no reply to what was asked (another layout?)');
    return this.#stream.expect(Number(iov.count) * PAGE_SIZE);
  }
}

/** TLS follows connect. */
async function secure(
  socket: Socket,
  host: string,
  { checksName, ...context }: NonNullable<Server['tls']>,
): Promise<Socket> {
  const { connect } = await import('node:tls');
  const anyName = { checkServerIdentity: () => undefined };
  const secured = connect({ socket, host, ...context, ...(!checksName && anyName) });
  await once(secured, 'secureConnect');
  return secured;
}
