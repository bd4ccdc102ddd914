/**
 * Writes ghost-file-N.img: a deleted file's content moves from the helper's temporary file into
 * the image, a window at a time.
 */

import { closeSync, openSync, readSync } from 'node:fs';
import type { ImageSet } from '../../images/set.js';
import type { Extent, Ghost } from '../files/ghost.js';

/** How much of the content is in memory at a time. */
const WINDOW = 1024 * 1024;

export function writeGhost(images: ImageSet, { id, entry, content, chunks }: Ghost): void {
  const image = images.create('GHOST_FILE', id);
  image.add(entry);
  if (content !== undefined) {
    const path = images.path(content);
    for (const { offset, bytes } of readWindows(path, chunks ?? [EVERYTHING])) {
      if (chunks) image.addMore({ len: bytes.length, off: offset }, bytes);
      else image.addRaw(bytes);
    }
    images.remove(content);
  }
  image.close();
}

const EVERYTHING: Extent = { offset: 0, length: Infinity };

interface Window {
  offset: number;
  bytes: Uint8Array;
}

/** The bytes of each extent in windows; an extent ends where the file does. */
function* readWindows(path: string, extents: readonly Extent[]): Generator<Window> {
  const fd = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(WINDOW);
    for (const { offset, length } of extents) {
      const end = offset + length;
      for (let at = offset; at < end;) {
        const count = readSync(fd, buffer, 0, Math.min(WINDOW, end - at), at);
        if (count === 0) break;
        yield { offset: at, bytes: buffer.subarray(0, count) };
        at += count;
      }
    }
  } finally {
    closeSync(fd);
  }
}
