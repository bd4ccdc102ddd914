/**
 * What can go wrong, as one typed error with a stable code.
 *
 * The message is one line for a person, complete by itself; the code is for programs and
 * never changes its meaning; details carry what a program may want beside it.
 */

/** Every code that ckpt reports, with `--json` too. */
export type ErrorCode =
  // The command line
  | 'E_USAGE' // an unknown option, a missing or malformed value
  | 'E_UNSUPPORTED_OPTION' // an option of CRIU's that ckpt does not honour, or not in this combination
  // The target
  | 'E_NO_SUCH_PROCESS'
  | 'E_PERMISSION'
  | 'E_TARGET_GONE' // it ended while it was being dumped
  | 'E_TARGET_CHANGED' // it executed another program or forked beyond reach while being dumped
  | 'E_TOO_BUSY' // it writes faster than it can be copied within the pause that is allowed
  | 'E_ZOMBIE' // the root of the tree is a zombie
  | 'E_KERNEL_THREAD'
  | 'E_OWN_ANCESTOR' // the tree holds ckpt itself
  | 'E_UNSUPPORTED_OBJECT' // something in the tree that cannot be dumped faithfully
  | 'E_NOT_TRACKED' // what it writes is not tracked, so there is nothing to tell or to stop
  // The dump as a whole
  | 'E_TIMEOUT'
  | 'E_ABORTED'
  | 'E_ACTION_SCRIPT' // an action script failed
  | 'E_KERNEL' // the kernel lacks what is needed, or refused it
  | 'E_INTERNAL' // a bug of ckpt's
  // The helper
  | 'E_HELPER_NOT_FOUND'
  | 'E_HELPER_DIED'
  | 'E_PROTOCOL'
  // Images
  | 'E_IMAGES_DIR' // missing, no folder, or not usable
  | 'E_WORK_DIR' // likewise, the folder of logs and statistics
  | 'E_IMAGES_EXIST' // the folder holds images already
  | 'E_IMAGE_FIELD' // a value that an image's field cannot hold, or a required one missing
  | 'E_IMAGE_MAGIC' // a file is not the image it should be
  | 'E_IMAGE_TORN' // an image ends in the middle of an entry
  | 'E_IMAGE_CORRUPT' // an entry is not what its image should hold
  | 'E_PAGE_SOURCE' // a source of pages does not have them, or fails
  | 'E_ADDRESS' // the page server cannot listen there
  | 'E_CRIU' // criu cannot be started
  | 'E_READ'
  | 'E_WRITE'
  | 'E_NO_SPACE';

/** Codes that blame the command line; the process ends with 2 for them, with 1 for all others. */
const USAGE: readonly ErrorCode[] = ['E_USAGE', 'E_UNSUPPORTED_OPTION'];

/** What else is known: `pid`, `object`, `path`, `errno` (a name such as ENOSPC), `remedy` ... */
export type ErrorDetails = Record<string, unknown>;

/** The one error that ckpt throws on purpose. */
export class CkptError extends Error {
  override readonly name = 'CkptError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: ErrorDetails = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** The exit code of a command that ends with this error. */
  get exitCode(): 1 | 2 {
    return USAGE.includes(this.code) ? 2 : 1;
  }
}

/** Whatever was thrown: what nobody expected is E_INTERNAL, a bug. */
export function asCkptError(thrown: unknown): CkptError {
  if (thrown instanceof CkptError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new CkptError('E_INTERNAL', `internal error: ${message}`, {}, { cause: thrown });
}
