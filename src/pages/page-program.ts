/**
 * A program that gives pages, and the conversation with it (docs/protocol.md, "Page programs").
 * Its death, its silence and whatever it says that is no reply end the conversation: all that wait
 * for it, and all that ask it later, are told which of them it was.
 */

import { CkptError } from '../errors.js';
import { startHelper, type Peer } from '../helper/start.js';
import { writeFrame } from '../helper/transport.js';
import { ByteStream } from './stream.js';

/** The longest header of a reply, in bytes: it holds a number and perhaps a line of text. */
const MAX_HEADER = 64 * 1024;
/** How long it may take to end when its stdin has. */
const FAREWELL_MS = 2_000;

/** Who waits for a reply. */
interface Waiting {
  bytes: number;
  resolve: (bytes: Buffer) => void;
  reject: (error: CkptError) => void;
  timer: NodeJS.Timeout;
}

export class PageProgram {
  readonly #peer: Peer;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #failure: CkptError | undefined;

  /** Starts it. `silenceMs` is how long it may take for a reply. */
  constructor(
    private readonly name: string,
    [file, ...args]: string[],
    private readonly silenceMs: number,
  ) {
    this.#peer = startHelper(file!, (line) => process.stderr.write(`${line}\n`), args);
    void this.#peer.exited.then((how) => this.#fail(`it has ended (${how})`));
    this.#listen(new ByteStream(this.#peer.stdout)).catch((error: Error) =>
      this.#fail(`what it sends is no reply: ${error.message}`),
    );
  }

  /** The bytes that a request asks for. Throws CkptError E_PAGE_SOURCE. */
  async ask(request: object, bytes: number): Promise<Buffer> {
    if (this.#failure) throw this.#failure;
    const id = this.#nextId++;
    const reply = new Promise<Buffer>((resolve, reject) => {
      const timer = setTimeout(
        () => this.#fail(`no reply in ${this.silenceMs / 1000} s`),
        this.silenceMs,
      );
      this.#waiting.set(id, { bytes, resolve, reject, timer });
    });
    // A program that reads no more ends, or is silent: that is told by the reply.
    writeFrame(this.#peer.stdin, { ...request, id }).catch(() => {});
    return reply;
  }

  /** Its stdin ends, and it gets a moment to end too. */
  async end(): Promise<void> {
    const timer = setTimeout(() => this.#peer.kill(), FAREWELL_MS);
    this.#peer.stdin.end();
    await this.#peer.exited;
    clearTimeout(timer);
  }

  async #listen(stream: ByteStream): Promise<void> {
    for (;;) {
      const size = await stream.take(4);
      if (!size) return; // it ends, or is silent from now on
      const length = size.readUInt32LE();
      if (length > MAX_HEADER) throw new Error(`a header of ${length} bytes`);
      const { id, bytes, error } = parse(await stream.expect(length));
      const waiting = this.#waiting.get(id as number);
      if (!waiting) throw new Error(`nothing was asked under the id ${JSON.stringify(id)}`);
      if (error !== undefined) {
        waiting.reject(this.#error(String(error)));
      } else if (bytes === waiting.bytes) {
        waiting.resolve(await stream.expect(waiting.bytes));
      } else {
        throw new Error(`${JSON.stringify(bytes)} bytes where ${waiting.bytes} were asked for`);
      }
      this.#waiting.delete(id as number);
      clearTimeout(waiting.timer);
    }
  }

  #fail(why: string): void {
    this.#failure ??= this.#error(why);
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(this.#failure);
    }
    this.#waiting.clear();
    this.#peer.kill();
  }

  #error(why: string): CkptError {
    return new CkptError('E_PAGE_SOURCE', `${this.name}: ${why}`, { object: this.name });
  }
}

function parse(header: Buffer): Record<string, unknown> {
  const value: unknown = JSON.parse(header.toString());
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  throw new Error('a header that is no JSON object');
}
