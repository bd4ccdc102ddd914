/**
 * `http://…` and `https://…`: a flat page store on any server that gives ranges of a file. What
 * the server says of each range is checked, and that it is still the same file.
 */

import { CkptError } from '../errors.js';
import { PAGE_SIZE } from '../images/pagemap.js';
import { Gate } from './gate.js';
import type { Manifest } from './manifest.js';
import { readFlat } from './ranges.js';
import type { PageRun, PageSource } from './source.js';

/** Requests under way at a time; their connections are kept for the next ones. */
const AT_ONCE = 4;

/** Answers below 500 that may be others the next time: too slow, too early, too many requests. */
const PASSING = [408, 425, 429];

export class HttpSource implements PageSource {
  readonly #gate = new Gate(AT_ONCE);
  #set: Manifest | undefined;
  #etag: string | null | undefined;

  /** `name` is the URL. */
  private constructor(readonly name: string) {}

  /** Throws CkptError E_USAGE where `url` is none, or holds a password, which errors would show. */
  static parse(url: string): HttpSource {
    const { username, password } = URL.canParse(url)
      ? new URL(url)
      : { username: '?', password: '' };
    if (!username && !password) return new HttpSource(url);
    throw new CkptError('E_USAGE', `'${url}' is not of the form http://HOST/PATH`);
  }

  async open(set: Manifest): Promise<void> {
    this.#set = set;
    if (set.pages === 0) return;
    // The first page is as good as any to see whether ranges work, and how large the file is.
    await this.#fetch(0, PAGE_SIZE);
  }

  read(run: PageRun, signal?: AbortSignal): Promise<Uint8Array> {
    return readFlat(this.name, this.#set!, run, (offset, length) =>
      this.#gate.run(() => this.#fetch(offset, length, signal)),
    );
  }

  async #fetch(offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    const headers = {
      range: `bytes=${offset}-${offset + length - 1}`,
      'accept-encoding': 'identity',
    };
    const response = await fetch(this.name, { headers, ...(signal && { signal }) });
    try {
      this.#check(response, offset, length);
      return await readBody(response, length);
    } finally {
      // What is not read to its end would hold the connection.
      if (!response.bodyUsed) await response.body?.cancel().catch(() => {});
    }
  }

  #check({ status, headers }: Response, offset: number, length: number): void {
    if (status >= 500 || PASSING.includes(status)) throw new Error(`the server answers ${status}`);
    if (status === 200) throw this.#refused('the server does not give ranges of it');
    if (status !== 206) throw this.#refused(`the server answers ${status}`);
    const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
    if (!range) throw this.#refused('the server does not say which bytes it gives');
    const [asked, given] = [`${offset}-${offset + length - 1}`, `${range[1]}-${range[2]}`];
    this.#checkSize(range[3]!);
    if (given !== asked) {
      throw this.#refused(`the server gives bytes ${given} where it was asked for ${asked}`);
    }
    const etag = headers.get('etag');
    this.#etag ??= etag;
    if (etag !== this.#etag) throw this.#refused('it was replaced while it was being read');
  }

  #checkSize(size: string): void {
    const expected = this.#set!.pages * PAGE_SIZE;
    if (size === '*' || Number(size) === expected) return;
    throw this.#refused(
      `it has ${size} bytes, and the pages of ${this.#set!.dir} are ${expected}: not of this set`,
    );
  }

  #refused(why: string): CkptError {
    return new CkptError('E_PAGE_SOURCE', `${this.name}: ${why}`, { object: this.name });
  }
}

/** All of a body that has `length` bytes; never more in memory than that and a chunk. */
async function readBody({ body }: Response, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let filled = 0;
  for await (const chunk of body ?? []) {
    if (filled + chunk.length > length) throw new Error(`more than ${length} bytes came`);
    bytes.set(chunk, filled);
    filled += chunk.length;
  }
  if (filled < length) throw new Error(`the answer ended after ${filled} of ${length} bytes`);
  return bytes;
}
