// Redis as a target: 100 MB of keys, and clients that ask for them.
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import * as assert from 'uvu/assert';
import { fixture } from '../../support/paths.js';
import { needs, Skip } from '../../support/skip.js';
import type { Program, Target } from '../../support/target.js';
import { until } from '../../support/until.js';
import { beside } from './programs.js';

const KEYS = 25_000;
/** 4000 bytes a key, of which no two are alike. */
const FILL = `for i = 1, ${KEYS} do
  redis.call('SET', 'key:' .. i, string.rep(redis.sha1hex(i), 100))
end`;

/** The states of a TCP socket that somebody still holds: established, and not closed by us yet. */
const HELD = ['01', '08'];

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

export class Redis implements Program {
  readonly name = 'redis-server';
  private digest = '';

  private constructor(
    private readonly server: string,
    private readonly client: string,
    readonly port: number,
  ) {}

  /** Throws Skip where this machine has no Redis. */
  static async make(): Promise<Redis> {
    const server = fixture('redis-server');
    if (!existsSync(server)) throw new Skip('no redis-server here');
    return new Redis(server, needs('redis-cli'), await freePort());
  }

  command(state: string): string[] {
    const files = ['--save', '', '--appendonly', 'no', '--dir', state];
    const network = ['--port', `${this.port}`, '--bind', '127.0.0.1'];
    return [this.server, ...files, ...network, '--enable-debug-command', 'yes'];
  }

  /** What a new client is answered, a line a command; the server is rid of the client after it. */
  private async call(target: Target, ...commands: string[]): Promise<string[]> {
    const client = [this.client, '-p', `${this.port}`];
    const answers = (await beside(target, client, commands.join('\n'))).split('\n');
    await until('end of the client', () => !this.connected(target));
    return answers;
  }

  /** Whether the server holds a connection. */
  private connected(target: Target): boolean {
    const port = this.port.toString(16).toUpperCase().padStart(4, '0');
    const [, ...sockets] = readFileSync(`/proc/${target.pid}/net/tcp`, 'utf8').split('\n');
    return sockets
      .map((line) => line.trim().split(/\s+/))
      .some(([, local, , state]) => local?.endsWith(`:${port}`) && HELD.includes(state ?? ''));
  }

  async isReady(target: Target): Promise<boolean> {
    const answers = await this.call(target, 'PING').catch(() => []);
    if (answers[0] !== 'PONG') return false;
    const fill = `EVAL "${FILL.replaceAll('\n', ' ')}" 0`;
    const [, , digest] = await this.call(target, fill, 'SET visits 0', 'DEBUG DIGEST');
    this.digest = digest!;
    return true;
  }

  /** Counts a visit, after a look at all keys. */
  async ask(target: Target): Promise<number> {
    const look = ['DBSIZE', 'GETSET visits 0', 'DEBUG DIGEST'];
    const [size, visits, digest] = await this.call(target, ...look);
    assert.equal([size, digest], [`${KEYS + 1}`, this.digest], 'the keys of redis');
    assert.equal(await this.call(target, `SET visits ${Number(visits) + 1}`), ['OK']);
    return Number(visits) + 1;
  }
}
