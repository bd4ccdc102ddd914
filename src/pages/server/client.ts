/**
 * A client of the page server: its structs come in, answers go out. It may be anybody: what it
 * begins to send it has to send on, what it is sent it has to take, and its structs are checked by
 * whoever acts on them.
 */

import type { Socket } from 'node:net';
import { COMMAND, decodeIov, encodeIov, IOV_SIZE, type Iov, type Layout } from '../iov.js';
import { ANSWER_SIZE, guessLayout } from '../layout.js';
import { ByteStream } from '../stream.js';

/** How long a client may stop in the middle of something. Between structs it may take its time. */
const SILENCE_MS = 30_000;
const SMALLEST = IOV_SIZE['4.1'];

export class Client {
  /** Its address, for the log. */
  readonly name: string;
  readonly #stream: ByteStream;

  /** Without a `layout`, the first struct tells. */
  constructor(
    private readonly socket: Socket,
    private layout: Layout | undefined,
  ) {
    this.name = `${socket.remoteAddress}:${socket.remotePort}`;
    this.#stream = new ByteStream(socket);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    socket.on('timeout', () => {
      socket.destroy(new Error(`it stopped in the middle for ${SILENCE_MS / 1000} s`));
    });
  }

  /** The next struct; undefined where the client has closed the connection in order. */
  async next(): Promise<Iov | undefined> {
    const first = await this.#stream.take(1);
    if (!first) return undefined;
    return this.#inTime(async () => {
      const head = Buffer.concat([first, await this.#stream.expect(SMALLEST - 1)]);
      this.layout ??= guessLayout(head);
      const left = IOV_SIZE[this.layout] - SMALLEST;
      const bytes = left ? Buffer.concat([head, await this.#stream.expect(left)]) : head;
      return decodeIov(this.layout, bytes);
    });
  }

  /** The page data that follows a struct, in pieces. */
  async *data(length: number): AsyncGenerator<Buffer> {
    const pieces = this.#stream.pieces(length);
    for (;;) {
      const { value, done } = await this.#inTime(() => pieces.next());
      if (done) return;
      yield value;
    }
  }

  /** The answer to CLOSE and FORCE_CLOSE, 0, and to PARENT. */
  answer(value = 0): Promise<void> {
    const bytes = Buffer.alloc(ANSWER_SIZE);
    bytes.writeInt32LE(value);
    return this.send(bytes);
  }

  sendIov(iov: Iov): Promise<void> {
    return this.send(encodeIov(this.layout!, iov));
  }

  /** Resolves when it is written: in TLS, CRIU finds what follows only if it is a record of its own. */
  send(bytes: Uint8Array): Promise<void> {
    return this.#inTime(
      () =>
        new Promise((resolve, reject) => {
          this.socket.write(bytes, (error) => (error ? reject(error) : resolve()));
        }),
    );
  }

  async #inTime<T>(action: () => Promise<T>): Promise<T> {
    this.socket.setTimeout(SILENCE_MS);
    try {
      return await action();
    } finally {
      this.socket.setTimeout(0);
    }
  }
}

/** Answers what ends a session; false where `command` is another. */
export async function answerClose(client: Client, { command }: Iov): Promise<boolean> {
  if (command !== COMMAND.CLOSE && command !== COMMAND.FORCE_CLOSE) return false;
  await client.answer();
  return true;
}
