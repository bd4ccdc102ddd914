// Locks of the network that CRIU, or ckpt, has left: tables of nf_tables.
import { execa } from 'execa';
import { fixture } from './paths.js';

/** Their names, in order. */
export async function networkTables(): Promise<string[]> {
  const { stdout } = await execa(fixture('tables'));
  return stdout.split('\n').filter(Boolean).sort();
}
