// A client that must not notice: it keeps sending, has all of it echoed, and checks every byte.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Target } from './target.js';
import { until } from './until.js';

/** Bytes on their way at a time, at most. */
const AHEAD = 1 << 18;
const BLOCK = 4096;
/** No power of two, so that a block that is lost or comes twice shows. */
const PERIOD = 251;

const pattern = Buffer.from(Array.from({ length: BLOCK + PERIOD }, (_, i) => i % PERIOD));

/** The bytes of the stream from `at` on. */
function bytesAt(at: number, length: number): Buffer {
  return pattern.subarray(at % PERIOD, (at % PERIOD) + length);
}

export class EchoClient {
  sent = 0;
  received = 0;
  #fault: string | undefined;
  #going = true;

  private constructor(private readonly socket: Socket) {
    socket.on('data', (data) => this.#check(data));
    socket.on('error', ({ message }) => this.#fail(message));
    socket.on('close', () => this.#going && this.#fail('closed'));
    void this.#send();
  }

  /** Connects to the fixture tcpecho. */
  static async to(target: Target, host = '127.0.0.1'): Promise<EchoClient> {
    const socket = connect(Number(readFileSync(join(target.state, 'port'), 'utf8')), host);
    await once(socket, 'connect');
    return new EchoClient(socket);
  }

  async #send(): Promise<void> {
    while (this.#going) {
      if (this.sent - this.received < AHEAD && this.#fault === undefined) {
        this.socket.write(bytesAt(this.sent, BLOCK));
        this.sent += BLOCK;
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  #check(data: Buffer): void {
    for (let i = 0; i < data.length; i += BLOCK) {
      const part = data.subarray(i, i + BLOCK);
      if (!part.equals(bytesAt(this.received, part.length))) {
        this.#fail(`wrong bytes from ${this.received} on`);
      }
      this.received += part.length;
    }
  }

  #fail(fault: string): void {
    this.#fault ??= fault;
  }

  /** Waits until what has been sent by now is back; throws if the client noticed anything. */
  async goesOn(): Promise<void> {
    const all = this.sent + BLOCK;
    await until(
      'the echo of what was sent',
      () => {
        if (this.#fault !== undefined) throw new Error(`the client noticed: ${this.#fault}`);
        return this.received >= all || undefined;
      },
      20_000,
    );
  }

  end(): void {
    this.#going = false;
    this.socket.destroy();
  }
}
