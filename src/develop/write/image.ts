/**
 * Writes a whole image at once.
 */

import type { EntryOf, Kind } from '../../images/kinds.js';
import type { ImageWriter } from '../../images/write.js';
import type { Entry } from '../entry.js';

/** All entries, and the end. */
export function writeImage<K extends Kind>(
  image: ImageWriter<K>,
  entries: Iterable<Entry<EntryOf<K>>>,
): void {
  for (const entry of entries) image.add(entry);
  image.close();
}

/** Likewise, of entries that data follows. */
export function writeQueue<K extends Kind>(
  image: ImageWriter<K>,
  entries: Iterable<readonly [entry: Entry<EntryOf<K>>, ...data: Uint8Array[]]>,
): void {
  for (const [entry, ...data] of entries) image.add(entry, ...data);
  image.close();
}
