// CRIU's own two ends of the page protocol, and sets to try them with.
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { PE_LAZY } from '../../src/images/pagemap.js';
import { errorsOf } from '../support/dump.js';
import { PAGE, PE_PRESENT, readSet } from '../support/pages.js';
import { oracleProgram, type CriuVersion } from '../support/paths.js';
import { procText } from '../support/proc.js';
import { Skip } from '../support/skip.js';
import { until } from '../support/until.js';

export const VERSIONS: CriuVersion[] = ['4.2.1', '4.1.1'];

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Whether somebody listens on a port of loopback; asked of the kernel, for a server of CRIU's takes one client. */
export function listens(port: number): boolean {
  const address = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return new RegExp(` ${address} 0{8}:0{4} 0A `).test(procText('/proc/net/tcp'));
}

/** A criu that runs beside the test. */
export interface Beside {
  /** Its exit code. */
  ended: Promise<number>;
  end(): Promise<void>;
}

/** Starts `criu ACTION`, logging into `ACTION.log` of the images' folder. */
export function startCriu(version: CriuVersion, images: string, args: string[]): Beside {
  const log = ['-D', images, '-o', `${args[0]}.log`, '-v4'];
  const child = execa(oracleProgram(version, 'criu'), [...args, ...log], {
    reject: false,
    stdin: 'ignore',
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  return {
    ended: child.then(({ exitCode }) => exitCode ?? -1),
    async end() {
      child.kill('SIGKILL');
      await child;
    },
  };
}

/**
 * Pipes may be as large as criu's server of lazy pages wants its own to be: without CAP_SYS_RESOURCE
 * it cannot have them, and serves no more than the first 16 pages of a mapping.
 */
export async function withLargePipes<T>(use: () => Promise<T>): Promise<T> {
  const file = '/proc/sys/fs/pipe-max-size';
  const before = readFileSync(file, 'utf8');
  try {
    writeFileSync(file, `${Math.max(Number(before), 4 << 20)}`);
  } catch {
    throw new Skip('pipes cannot be made large enough for criu page-server --lazy-pages');
  }
  try {
    return await use();
  } finally {
    writeFileSync(file, before);
  }
}

/** Runs `use` while `criu page-server --lazy-pages` serves a set; it has to end well by itself. */
export async function withCriuServer(
  version: CriuVersion,
  images: string,
  use: (port: number) => Promise<void>,
  args: string[] = [],
): Promise<void> {
  const port = await freePort();
  const address = ['--address', '127.0.0.1', '--port', `${port}`];
  await withLargePipes(async () => {
    const server = startCriu(version, images, ['page-server', '--lazy-pages', ...address, ...args]);
    try {
      await until('criu listens', () => listens(port), 10_000);
      await use(port);
      const code = await server.ended;
      if (code !== 0)
        throw new Error(`criu: ${code}\n${errorsOf(join(images, 'page-server.log'))}`);
    } finally {
      await server.end();
    }
  });
}

/** Overwrites all pages of a set that a restore takes late: it cannot do without a server then. */
export async function spoilLazyPages(images: string): Promise<number> {
  let spoilt = 0;
  for (const { pagesId, runs } of (await readSet(images)).pagemaps) {
    const file = join(images, `pages-${pagesId}.img`);
    const bytes = readFileSync(file);
    let offset = 0;
    for (const { pages, flags } of runs) {
      if (!(flags & PE_PRESENT)) continue;
      if (flags & PE_LAZY) bytes.fill(0xee, offset, offset + pages * PAGE);
      spoilt += flags & PE_LAZY ? pages : 0;
      offset += pages * PAGE;
    }
    writeFileSync(file, bytes);
  }
  return spoilt;
}
