/**
 * Credentials of a thread: ids, capabilities, securebits.
 */

import type { Hex, ThreadFrame } from '../helper/protocol.js';
import type { Entry } from './entry.js';

export function developCreds({ creds, no_new_privs }: ThreadFrame): Entry<'creds_entry'> {
  const { uid, gid, euid, egid, suid, sgid, fsuid, fsgid, groups } = creds;
  return {
    ...{ uid, gid, euid, egid, suid, sgid, fsuid, fsgid, groups },
    cap_inh: halves(creds.cap_inh),
    cap_prm: halves(creds.cap_prm),
    cap_eff: halves(creds.cap_eff),
    cap_bnd: halves(creds.cap_bnd),
    cap_amb: halves(creds.cap_amb),
    secbits: creds.securebits,
    no_new_privs: no_new_privs ? 1 : undefined,
  };
}

/** A set of capabilities as two words, the low one first. */
function halves(capabilities: Hex): [low: number, high: number] {
  const set = BigInt(capabilities);
  return [Number(set & 0xffffffffn), Number(set >> 32n)];
}
