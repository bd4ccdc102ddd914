// What a refusal says.
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';

/** `action` must refuse, with a message that names process, object and reason. */
export function refused(action: () => unknown, expected: RegExp): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof CkptError)) throw error;
    assert.is(error.code, 'E_UNSUPPORTED_OBJECT');
    assert.match(error.message, expected);
    assert.is(error.message.includes('\n'), false, 'one line');
    return;
  }
  assert.unreachable('not refused');
}
