// The command as a user runs it.
import { execa } from 'execa';
import { ckptMain } from '../support/paths.js';

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs `ckpt` to its end. */
export async function ckpt(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  const { exitCode, stdout, stderr } = await execa(process.execPath, [ckptMain, ...args], {
    env,
    reject: false,
    stdin: 'ignore',
    timeout: 60_000,
  });
  return { code: exitCode ?? -1, stdout, stderr };
}
