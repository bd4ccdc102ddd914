/**
 * General registers, as the task shall find them when it runs again.
 *
 * The freeze may have interrupted a system call. The kernel would restart it on the way back to
 * user space, but the restored task takes no such way: what the kernel would do is done here to
 * the registers, as CRIU does it (compel, arch/x86 infect.c).
 */

import { type Registers, REGISTERS } from '../helper/protocol.js';
import { user_x86_regs_mode } from '../images/gen/core-x86.js';
import type { Entry } from './entry.js';

/** -ERESTARTSYS, -ERESTARTNOINTR and -ERESTARTNOHAND of the kernel's linux/errno.h. */
const RESTARTS = [-512n, -513n, -514n];
/** -ERESTART_RESTARTBLOCK: it would go on by restart_syscall(2), whose state no restore has. */
const RESTART_BLOCK = -516n;
const EINTR = 4n;
/** Length of the instruction `syscall`. */
const SYSCALL = 2n;

/** The registers of a 64-bit thread, with an interrupted system call restarted or ended. */
export function developRegisters(regs: Registers): Entry<'user_x86_regs_entry'> {
  const values = Object.fromEntries(REGISTERS.map((name) => [name, BigInt(regs[name])])) as Record<
    (typeof REGISTERS)[number],
    bigint
  >;
  return {
    ...values,
    ...restarted(values.orig_ax, values.ax, values.ip),
    mode: user_x86_regs_mode.NATIVE,
  };
}

/** What differs when the thread came from a system call; `orig_ax` is negative if it did not. */
function restarted(orig_ax: bigint, ax: bigint, ip: bigint): { ax?: bigint; ip?: bigint } {
  if (BigInt.asIntN(64, orig_ax) < 0n) return {};
  const result = BigInt.asIntN(64, ax);
  if (RESTARTS.includes(result)) return { ax: orig_ax, ip: ip - SYSCALL };
  if (result === RESTART_BLOCK) return { ax: BigInt.asUintN(64, -EINTR) };
  return {};
}
