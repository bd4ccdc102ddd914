/**
 * Floating point and vector registers, out of an XSAVE area in its standard format.
 *
 * The kernel fills the parts that are in their initial state with that state (ptrace's
 * NT_X86_XSTATE), so they are taken as they stand. Layout: Intel SDM volume 1, chapter 13; where
 * the extended parts are, the CPU says (CPUID leaf 0xD, in the helper's hello).
 */

import type { XsaveLayout } from '../helper/protocol.js';
import type { Entry } from './entry.js';
import { type Place, refuse } from './refuse.js';

/** Offset of XSTATE_BV, the header's first field: which parts are not in their initial state. */
const XSTATE_BV = 512;

/** Components of XCR0 that an image has room for. */
const YMM = 2;
const BNDREGS = 3;
const BNDCSR = 4;
const OPMASK = 5;
const ZMM_HI256 = 6;
const HI16_ZMM = 7;
const PKRU = 9;
/** The x87 and SSE state, which every image has. */
const LEGACY = [0, 1];
const KNOWN = [...LEGACY, YMM, BNDREGS, BNDCSR, OPMASK, ZMM_HI256, HI16_ZMM, PKRU];

/**
 * The registers in `xsave`, the bytes of the area, of the thread at `place`.
 * Refuses a thread with state that no image has room for (AMX tiles, for instance).
 */
export function developXsave(
  xsave: Buffer,
  layout: XsaveLayout,
  place: Place,
): Entry<'user_x86_fpregs_entry'> {
  const inUse = xsave.readBigUInt64LE(XSTATE_BV);
  refuseUnknown(inUse, place);
  const u32 = (component: number) => words(part(xsave, layout, component));
  const u64 = (component: number) => quadwords(part(xsave, layout, component));
  return {
    ...developLegacy(xsave),
    xsave: {
      xstate_bv: inUse,
      ymmh_space: u32(YMM),
      bndreg_state: u64(BNDREGS),
      bndcsr_state: u64(BNDCSR),
      opmask_reg: u64(OPMASK),
      zmm_upper: u64(ZMM_HI256),
      hi16_zmm: u64(HI16_ZMM),
      pkru: u32(PKRU),
    },
  };
}

/** The first 512 bytes, as FXSAVE lays them out. */
function developLegacy(area: Buffer): Omit<Entry<'user_x86_fpregs_entry'>, 'xsave'> {
  return {
    cwd: area.readUInt16LE(0),
    swd: area.readUInt16LE(2),
    twd: area.readUInt16LE(4),
    fop: area.readUInt16LE(6),
    rip: area.readBigUInt64LE(8),
    rdp: area.readBigUInt64LE(16),
    mxcsr: area.readUInt32LE(24),
    mxcsr_mask: area.readUInt32LE(28),
    st_space: words(area.subarray(32, 160)),
    xmm_space: words(area.subarray(160, 416)),
  };
}

function refuseUnknown(inUse: bigint, place: Place): void {
  const known = KNOWN.reduce((mask, component) => mask | (1n << BigInt(component)), 0n);
  const unknown = inUse & ~known;
  if (unknown === 0n) return;
  refuse(
    place,
    `registers in use that images have no room for (XSTATE_BV 0x${unknown.toString(16)})`,
  );
}

/** The bytes of an extended part; none where the CPU lacks it. */
function part(area: Buffer, { components }: XsaveLayout, component: number): Buffer {
  const [offset, size] = components[component] ?? [0, 0];
  return area.subarray(offset, offset + size);
}

function words(bytes: Buffer): number[] {
  return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readUInt32LE(4 * i));
}

function quadwords(bytes: Buffer): bigint[] {
  return Array.from({ length: bytes.length / 8 }, (_, i) => bytes.readBigUInt64LE(8 * i));
}
