// A real server of S3's protocol on loopback: moto, from PyPI, where this machine has it or can have it soon.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { checkout } from '../support/paths.js';
import { Skip } from '../support/skip.js';
import { until } from '../support/until.js';
import { freePort, listens } from './criu.js';

/** Not its extra `server`, which brings 180 MB that S3 has no use for. */
const MOTO = ['moto[s3]==5.2.1', 'flask==3.1.3', 'flask-cors==6.0.2'];
const venv = join(checkout, '.cache/moto');
const INSTALL_MS = 240_000;

async function works(python: string): Promise<boolean> {
  const args = ['-c', 'import moto.server, flask, flask_cors'];
  return !(await execa(python, args, { reject: false })).failed;
}

/** A Python that has moto: the machine's own, or one in the cache, made here if need be. */
async function findPython(): Promise<string> {
  const own = join(venv, 'bin/python3');
  for (const python of ['python3', ...(existsSync(own) ? [own] : [])]) {
    if (await works(python)) return python;
  }
  const pip = ['-m', 'pip', '-q', '--disable-pip-version-check', 'install', ...MOTO];
  const options = { reject: false, timeout: INSTALL_MS } as const;
  const made = await execa('python3', ['-m', 'venv', venv], options);
  const installed = made.failed ? made : await execa(own, pip, options);
  if (installed.failed || !(await works(own))) {
    throw new Skip(
      `no S3 server can be had (${MOTO.join(', ')}): ${installed.shortMessage ?? 'pip failed'}`,
    );
  }
  return own;
}

/** Runs `use` with the URL of a server that holds nothing yet. */
export async function withS3(use: (url: string) => Promise<void>): Promise<void> {
  const python = await findPython();
  const port = await freePort();
  const args = ['-m', 'moto.server', '-H', '127.0.0.1', '-p', `${port}`];
  const server = execa(python, args, { reject: false, stdio: 'ignore' });
  try {
    await until('the S3 server listens', () => listens(port), 30_000);
    await use(`http://127.0.0.1:${port}`);
  } finally {
    server.kill('SIGKILL');
    await server;
  }
}
