/**
 * One conversation with the helper: hello, then a check, a dump, a server of pages, or holes to punch. Every wait ends: with a frame,
 * with the error that the helper sent, or with how the helper died. docs/protocol.md.
 */

import { getSystemErrorName } from 'node:util';
import { CkptError } from '../errors.js';
import { PROTOCOL_VERSION } from './protocol.js';
import type {
  CapturedFrame,
  CheckFrame,
  DoneFrame,
  DumpRequest,
  ErrorFrame,
  FactFrame,
  FinishRequest,
  Frame,
  HelloFrame,
  PreDumpRequest,
  ProgressFrame,
  PunchedFrame,
  PunchRequest,
  Request,
  ServeFrame,
  ServingRequest,
  StopRequest,
  TrackingFrame,
  TrackingRequest,
} from './protocol.js';
import type { Peer } from './start.js';
import { readFrames, writeFrame } from './transport.js';

/** What a dump sends before it waits for `finish`. */
export type DumpFrame = ProgressFrame | FactFrame | CapturedFrame;

const DUMP_FRAMES = new Set<Frame['t']>(
  'progress task thread vmas file fds pipe ghost shmem pagemap captured'.split(' ') as Frame['t'][],
);

const SERVING_FRAMES = new Set<Frame['t']>(
  'progress listening begun ended failed refused touched need done'.split(' ') as Frame['t'][],
);

/** How long a helper may take to leave after its stdin ended, before it is killed. */
const LEAVE_MS = 5000;

/** Errors of every method: CkptError with the helper's own code, E_HELPER_DIED or E_PROTOCOL. */
export class HelperClient {
  readonly #peer: Peer;
  readonly #frames: AsyncIterator<object>;

  constructor(peer: Peer) {
    this.#peer = peer;
    this.#frames = readFrames(peer.stdout);
  }

  /** The first words of both sides. Throws E_PROTOCOL when their versions differ. */
  async greet(): Promise<HelloFrame> {
    await this.#send({ op: 'hello', version: PROTOCOL_VERSION });
    const hello = (await this.#receive(['hello'])) as HelloFrame;
    if (hello.version !== PROTOCOL_VERSION) throw versionMismatch(hello);
    return hello;
  }

  async check(): Promise<CheckFrame> {
    await this.#send({ op: 'check' });
    return (await this.#receive(['check'])) as CheckFrame;
  }

  /** Asks for a dump: the helper is at work when this settles. The last frame is `captured`. */
  async dump(request: DumpRequest | PreDumpRequest): Promise<AsyncGenerator<DumpFrame>> {
    await this.#send(request);
    return this.#dumpFrames();
  }

  async *#dumpFrames(): AsyncGenerator<DumpFrame> {
    for (;;) {
      const frame = (await this.#receive(DUMP_FRAMES)) as DumpFrame;
      yield frame;
      if (frame.t === 'captured') return;
    }
  }

  /** Ends the dump of a tree that is still held: what becomes of it. */
  async finish(action: FinishRequest['action']): Promise<DoneFrame> {
    await this.#send({ op: 'finish', action });
    return (await this.#receive(['done'])) as DoneFrame;
  }

  async track(request: TrackingRequest): Promise<TrackingFrame> {
    await this.#send(request);
    return (await this.#receive(['track'])) as TrackingFrame;
  }

  /** Frees space within a file. Resolves to the bytes that the file takes less of the disk. */
  async punch(path: string, ranges: number[]): Promise<number> {
    await this.#send({ op: 'punch', path, ranges } satisfies PunchRequest);
    return ((await this.#receive(['punched'])) as PunchedFrame).freed;
  }

  /** Asks for a server of pages; its frames, until all is served or `stopServing` has had its effect. */
  async *serve(requests: Iterable<ServingRequest>): AsyncGenerator<ServeFrame> {
    for (const request of requests) await this.#send(request);
    for (;;) {
      const frame = (await this.#receive(SERVING_FRAMES)) as ServeFrame | DoneFrame;
      if (frame.t === 'done') return;
      yield frame;
    }
  }

  /** No restore may begin any more: what becomes of pages that are missing. */
  stopServing(rest: StopRequest['rest']): Promise<void> {
    return this.#send({ op: 'stop', rest });
  }

  /** Ends the helper's stdin: it lets go whatever it holds. All that waits for a frame fails. */
  abort(): void {
    this.#peer.stdin.end();
  }

  /** As `abort`, and hears no more; settles when the helper has gone. */
  async close(): Promise<void> {
    this.abort();
    this.#peer.stdout.destroy();
    const impatience = setTimeout(() => this.#peer.kill(), LEAVE_MS);
    await this.#peer.exited;
    clearTimeout(impatience);
  }

  async #send(request: Request): Promise<void> {
    await writeFrame(this.#peer.stdin, request).catch((error) => this.#fail(error));
  }

  async #receive(expected: Iterable<Frame['t']>): Promise<Frame> {
    const { value, done } = await this.#frames.next().catch((error) => this.#fail(error));
    if (done) return this.#fail();
    const frame = value as Frame;
    if (frame.t === 'error') throw helperError(frame);
    for (const t of expected) if (t === frame.t) return frame;
    throw new CkptError('E_PROTOCOL', `the helper sent an unexpected frame: ${String(frame.t)}`);
  }

  /** The stream is broken: of its own contents, or because the peer is gone, which is then the reason. */
  async #fail(error?: unknown): Promise<never> {
    if (error instanceof CkptError) throw error;
    throw new CkptError('E_HELPER_DIED', `the helper ended too early: ${await this.#peer.exited}`);
  }
}

function helperError({ code, message, errno, ...frame }: ErrorFrame): CkptError {
  const { pid, object, remedy } = frame;
  const name = errno && getSystemErrorName(-errno);
  return new CkptError(code, message, { pid, object, remedy, errno: name });
}

function versionMismatch(hello: HelloFrame): CkptError {
  return new CkptError(
    'E_PROTOCOL',
    `ckpt speaks version ${PROTOCOL_VERSION} of the helper's protocol, helper ${hello.helper} speaks version ${hello.version}`,
    { remedy: 'install ckpt and its helper of the same version' },
  );
}
