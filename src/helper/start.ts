/**
 * Starts the helper as a child process. It leads a session of its own, so that a terminal's
 * Ctrl-C reaches ckpt alone, which then lets the target go in order: the end of the helper's
 * stdin is its sign to thaw and leave, whatever became of us.
 */

import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

/** The other end of a conversation: two streams, and how it ended. */
export interface Peer {
  stdin: Writable;
  stdout: Readable;
  /** Where page data goes that only the orchestrator can get, if such a pipe was asked for. */
  data?: Writable;
  /** Never rejects: how the peer ended (`exit status 101: its last words`). */
  exited: Promise<string>;
  kill(): void;
}

/** Starts the program at `path`; `onLog` gets each line of its stderr. Failing to start is an `exited`. */
export function startHelper(
  path: string,
  onLog: (line: string) => void = () => {},
  args: string[] = [],
  hasData = false,
): Peer {
  const pipes = ['pipe', 'pipe', 'pipe', ...(hasData ? ['pipe' as const] : [])] as const;
  const child = spawn(path, args, { stdio: [...pipes], detached: true });
  const [stdin, stdout, stderr] = child.stdio as unknown as [Writable, Readable, Readable];
  const data = child.stdio[3] as Writable | undefined;
  for (const pipe of [stdin, data]) pipe?.on('error', () => {}); // told by the write itself
  const words = lastWords(stderr, onLog);
  // Not `close`, which waits for a stdout that nobody may be reading any more.
  const silent = new Promise((resolve) => stderr.once('close', resolve));
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`it cannot be started: ${error.message}`));
    child.once('exit', (code, signal) => {
      void silent.then(() => resolve(ending(code, signal) + words()));
    });
  });
  const kill = (): void => void child.kill('SIGKILL');
  return { stdin, stdout, exited, kill, ...(data && { data }) };
}

/** Passes lines on, and remembers the last one that says something. (node:readline takes 1 ms to load.) */
function lastWords(stream: Readable, onLog: (line: string) => void): () => string {
  let last = '';
  let rest = '';
  const take = (line: string): void => {
    if (line.trim()) last = line.trim();
    onLog(line);
  };
  stream.on('error', () => {});
  stream.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    lines.forEach(take);
  });
  stream.on('end', () => rest && take(rest));
  return () => (last ? `: ${last}` : '');
}

function ending(code: number | null, signal: NodeJS.Signals | null): string {
  return signal ? `killed by ${signal}` : `exit status ${code}`;
}
