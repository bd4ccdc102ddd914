/**
 * mm-PID.img: an address space, its bounds and its mappings.
 */

import type { LiveTaskFrame } from '../helper/protocol.js';
import type { Entry } from './entry.js';

/**
 * Words of the auxiliary vector that an image may hold. A restore refuses longer ones (CRIU's
 * AT_VECTOR_SIZE), so what a newer kernel puts behind is left out, as CRIU does; programs have
 * read their copy, which is on their stack.
 */
const AUXV_WORDS = 44;
const AT_NULL = 0n;

export function developMm(
  { mm, dumpable, thp_disabled }: LiveTaskFrame,
  vmas: Entry<'vma_entry'>[],
): Entry<'mm_entry'> {
  return {
    mm_start_code: mm.start_code,
    mm_end_code: mm.end_code,
    mm_start_data: mm.start_data,
    mm_end_data: mm.end_data,
    mm_start_stack: mm.start_stack,
    mm_start_brk: mm.start_brk,
    mm_brk: mm.brk,
    mm_arg_start: mm.arg_start,
    mm_arg_end: mm.arg_end,
    mm_env_start: mm.env_start,
    mm_env_end: mm.env_end,
    exe_file_id: mm.exe,
    mm_saved_auxv: auxiliaryVector(Buffer.from(mm.auxv, 'base64')),
    vmas,
    dumpable,
    thp_disabled,
  };
}

/** Type and value in turn, without the end mark and what may follow it. */
function auxiliaryVector(auxv: Buffer): bigint[] {
  const words: bigint[] = [];
  for (let at = 0; at + 16 <= auxv.length && words.length < AUXV_WORDS; at += 16) {
    const type = auxv.readBigUInt64LE(at);
    if (type === AT_NULL) break;
    words.push(type, auxv.readBigUInt64LE(at + 8));
  }
  return words;
}
