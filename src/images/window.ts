/** A window that moves along a file, so that many small reads cost few calls. */

import type { FileHandle } from 'node:fs/promises';

const SIZE = 256 * 1024;

export class Window {
  #bytes = Buffer.alloc(0);
  #start = 0;

  constructor(
    private readonly handle: FileHandle,
    private readonly fileSize: number,
  ) {}

  /**
   * `length` bytes at `offset`, valid until the next call; fewer where the file ends.
   * Rejects as read(2) does.
   */
  async at(offset: number, length: number): Promise<Buffer> {
    const from = offset - this.#start;
    if (from < 0 || from + length > this.#bytes.length) {
      await this.#move(offset, Math.max(length, SIZE));
      return this.#bytes.subarray(0, length);
    }
    return this.#bytes.subarray(from, from + length);
  }

  async #move(offset: number, length: number): Promise<void> {
    const room = Buffer.alloc(Math.max(0, Math.min(length, this.fileSize - offset)));
    let filled = 0;
    while (filled < room.length) {
      const { bytesRead } = await this.handle.read(
        room,
        filled,
        room.length - filled,
        offset + filled,
      );
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    this.#bytes = room.subarray(0, filled);
    this.#start = offset;
  }
}
