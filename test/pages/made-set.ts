// Small image sets written by hand: as they should be, and as nobody should trust them.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { vma_entry } from '../../src/images/gen/vma.js';
import { fileName } from '../../src/images/names.js';
import type { Input } from '../../src/images/types.js';
import { ImageWriter } from '../../src/images/write.js';

export const PAGE = 4096;

/** Entries of a pagemap: address or offset in pages, how many, flags. */
export type Run = [page: number, count: number, flags?: number];

/** Flags of mmap(2) for private anonymous memory, and what a mapping of it is in an image. */
export const anonymous = (
  page: number,
  count: number,
  changes: Partial<Input<vma_entry>> = {},
) => ({
  ...{ start: page * PAGE, end: (page + count) * PAGE, pgoff: 0, shmid: 0, fd: -1 },
  ...{ prot: 3, flags: 0x22, status: 1 | (1 << 9) },
  ...changes,
});

const bounds = ['start_code', 'end_code', 'start_data', 'end_data', 'start_stack', 'start_brk']
  .concat(['brk', 'arg_start', 'arg_end', 'env_start', 'env_end'])
  .map((name) => [`mm_${name}`, 0]);

export class MadeSet {
  constructor(readonly dir: string) {
    mkdirSync(dir, { recursive: true });
  }

  /** Makes it a checkpoint. */
  inventory(img_version = 2): this {
    const image = new ImageWriter('INVENTORY', join(this.dir, fileName('INVENTORY')));
    image.add({ img_version });
    image.close();
    return this;
  }

  mappings(pid: number, vmas: Input<vma_entry>[]): this {
    const image = new ImageWriter('MM', join(this.dir, fileName('MM', pid)));
    image.add({ ...Object.fromEntries(bounds), exe_file_id: 1, vmas } as never);
    image.close();
    return this;
  }

  /** A pagemap; the older generation of readers and writers knew only `compat_nr_pages`. */
  pagemap(name: string, runs: Run[], { pagesId = 0, older = false } = {}): this {
    const image = new ImageWriter('PAGEMAP', join(this.dir, name));
    image.add({ pages_id: pagesId });
    for (const [page, count, flags] of runs) {
      const counts = older ? { compat_nr_pages: count } : { compat_nr_pages: 0, nr_pages: count };
      image.addMore({ vaddr: page * PAGE, ...counts, ...(flags !== undefined && { flags }) });
    }
    image.close();
    return this;
  }

  /** A pages image: each page is full of one byte. */
  pages(id: number, bytes: readonly number[]): this {
    const image = new ImageWriter('PAGES', join(this.dir, fileName('PAGES', id)));
    for (const byte of bytes) image.addRaw(Buffer.alloc(PAGE, byte));
    image.close();
    return this;
  }
}
