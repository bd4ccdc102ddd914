/** A peer made of two streams in this process: what it hears and says is the test's to decide. */

import { PassThrough } from 'node:stream';
import type { Peer } from '../../src/helper/start.js';
import { readFrames, writeFrame } from '../../src/helper/transport.js';

export interface FakePeer extends Peer {
  /** The requests, in order. */
  requests: AsyncIterator<object>;
  say(frame: object): Promise<void>;
  /** Ends as a process does that left these last words. */
  die(how: string): void;
  out: PassThrough;
  killed: boolean;
}

export function fakePeer(): FakePeer {
  const stdin = new PassThrough();
  const out = new PassThrough();
  let exit: (how: string) => void;
  const exited = new Promise<string>((resolve) => (exit = resolve));
  const peer: FakePeer = {
    stdin,
    stdout: out,
    exited,
    out,
    killed: false,
    requests: readFrames(stdin),
    say: (frame) => writeFrame(out, frame),
    die: (how) => {
      exit(how);
      out.end();
    },
    kill: () => {
      peer.killed = true;
      peer.die('killed by SIGKILL');
    },
  };
  return peer;
}

export const hello = {
  t: 'hello',
  version: 1,
  helper: '0.1.0',
  xsave: { size: 0, features: '0x0', components: {} },
};
