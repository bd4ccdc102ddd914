/**
 * The shape of what is developed: entries of images, by the names of their messages.
 */

import type { Messages } from '../images/gen/messages.js';
import type { MessageName } from '../images/schema.js';
import type { Input } from '../images/types.js';

/** An entry to be written: `Entry<'core_entry'>`. */
export type Entry<M extends MessageName> = Input<Messages[M]>;
