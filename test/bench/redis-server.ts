// A redis-server with its client, in one tree (redisload.c), and what can be asked of both.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { keep, type Keeper } from '../support/keeper.js';
import { fixture } from '../support/paths.js';
import { needs, Skip } from '../support/skip.js';
import { until } from '../support/until.js';

/** How the client's requests were answered, since it was asked last; in microseconds. */
export interface Latencies {
  requests: number;
  p50: number;
  p99: number;
  p999: number;
  max: number;
}

export class LoadedRedis {
  private constructor(
    private readonly keeper: Keeper,
    private readonly client: string,
    private readonly dir: string,
  ) {}

  /**
   * Starts one with `keys` keys of 4000 bytes and `rate` requests a second, its files in `dir`, a new
   * folder. Throws Skip where there is no redis.
   */
  static async start(dir: string, keys: number, rate: number): Promise<LoadedRedis> {
    const server = fixture('redis-server');
    if (!existsSync(server)) throw new Skip('no redis-server here');
    const client = needs('redis-cli');
    await mkdir(dir);
    const files = ['--save', '', '--rdbcompression', 'no', '--dir', dir, '--logfile', `${dir}/log`];
    const network = ['--port', '0', '--unixsocket', join(dir, 'socket')];
    const load = [fixture('redisload'), dir, `${rate}`, `${keys}`];
    const keeper = await keep([...load, server, ...files, ...network]);
    const redis = new LoadedRedis(keeper, client, dir);
    await until('keys in redis', () => existsSync(join(dir, 'ready')), 60_000);
    return redis;
  }

  /** The root of the tree. */
  get pid(): number {
    return this.keeper.started;
  }

  /** What the client has seen since it was asked last. */
  async latencies(): Promise<Latencies> {
    const answer = join(this.dir, 'answer');
    rmSync(answer, { force: true });
    writeFileSync(join(this.dir, 'ask'), '');
    await until('answer of the client', () => existsSync(answer), 20_000);
    const [requests, p50, p99, p999, max] = readFileSync(answer, 'utf8').split(' ').map(Number);
    return { requests: requests!, p50: p50!, p99: p99!, p999: p999!, max: max! };
  }

  private async call(...words: string[]): Promise<string> {
    return (await execa(this.client, ['-s', join(this.dir, 'socket'), ...words])).stdout;
  }

  /** Has it save all to its file, in a child, and waits for the end of that. */
  async save(): Promise<void> {
    await this.call('BGSAVE');
    const isSaving = async (): Promise<boolean> =>
      (await this.call('INFO', 'persistence')).includes('rdb_bgsave_in_progress:1');
    await until('end of BGSAVE', async () => !(await isSaving()), 60_000);
  }

  end(): Promise<void> {
    return this.keeper.end();
  }
}
