/** What this kernel and these privileges allow: the helper tries, this says what it means. */

import { HelperClient } from '../helper/client.js';
import { findHelper } from '../helper/find.js';
import { startHelper } from '../helper/start.js';
import { MEANINGS } from './meanings.js';

export interface CheckItem {
  name: string;
  ok: boolean;
  /** Without it no dump could work. */
  required: boolean;
  /** What was tried, and what the kernel answered. */
  detail: string;
  /** For the user: what it serves, or what is lost without it. */
  meaning: string;
}

export interface CheckResult {
  /** A dump can work. */
  ok: boolean;
  kernel: string;
  arch: string;
  items: CheckItem[];
}

/** Tries all that a dump needs. Throws CkptError E_HELPER_NOT_FOUND, E_HELPER_DIED or E_PROTOCOL. */
export async function check(): Promise<CheckResult> {
  const client = new HelperClient(startHelper(findHelper()));
  try {
    await client.greet();
    const { kernel, arch, items } = await client.check();
    return {
      ok: items.every(({ ok, required }) => ok || !required),
      kernel,
      arch,
      items: items.map((item) => ({ ...item, meaning: meaningOf(item.name, item.ok) })),
    };
  } finally {
    await client.close();
  }
}

function meaningOf(name: string, ok: boolean): string {
  const meaning = MEANINGS[name];
  return (ok ? meaning?.serves : meaning?.without) ?? '';
}
