/**
 * `s3:BUCKET/KEY`: a flat page store in S3 or what speaks its protocol. Endpoint, region and
 * credentials are found by Amazon's client as by any other program that uses it
 * (AWS_ENDPOINT_URL, AWS_REGION, AWS_PROFILE ...). That client is a package of its own, loaded
 * only here: whoever has no use for it need not install it.
 */

import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3';
import { CkptError } from '../errors.js';
import { PAGE_SIZE } from '../images/pagemap.js';
import { Gate } from './gate.js';
import type { Manifest } from './manifest.js';
import { readFlat } from './ranges.js';
import type { PageRun, PageSource } from './source.js';

/** Requests under way at a time. */
const AT_ONCE = 4;

/** Answers below 500 that may be others the next time. */
const PASSING = [408, 429];

export class S3Source implements PageSource {
  readonly #gate = new Gate(AT_ONCE);
  #set: Manifest | undefined;
  #get: ((range: Range, signal?: AbortSignal) => Promise<GetObjectCommandOutput>) | undefined;
  #client: S3Client | undefined;

  private constructor(
    readonly name: string,
    private readonly bucket: string,
    private readonly key: string,
  ) {}

  /** From what follows `s3:`. Throws CkptError E_USAGE. */
  static parse(text: string): S3Source {
    const name = `s3:${text}`;
    const [, bucket, key] = /^(?:\/\/)?([^/]+)\/(.+)$/.exec(text) ?? [];
    if (bucket && key) return new S3Source(name, bucket, key);
    throw new CkptError('E_USAGE', `'${name}' is not of the form s3:BUCKET/KEY`);
  }

  async open(set: Manifest): Promise<void> {
    this.#set = set;
    const sdk = await loadSdk(this.name);
    this.#client?.destroy();
    const client = new sdk.S3Client({
      maxAttempts: 1, // retry.ts tries again
      // Servers that are not Amazon's seldom have a host name for each bucket.
      forcePathStyle: process.env.AWS_ENDPOINT_URL !== undefined,
    });
    this.#client = client;
    const object = { Bucket: this.bucket, Key: this.key };
    const head = await this.#asking(client.send(new sdk.HeadObjectCommand(object)));
    this.#checkSize(head.ContentLength ?? 0);
    this.#get = ({ offset, length }, signal) => {
      const Range = `bytes=${offset}-${offset + length - 1}`;
      const command = new sdk.GetObjectCommand({ ...object, Range, IfMatch: head.ETag });
      return client.send(command, { ...(signal && { abortSignal: signal }) });
    };
  }

  read(run: PageRun, signal?: AbortSignal): Promise<Uint8Array> {
    return readFlat(this.name, this.#set!, run, (offset, length) =>
      this.#gate.run(() => this.#read({ offset, length }, signal)),
    );
  }

  async close(): Promise<void> {
    this.#client?.destroy();
  }

  async #read(range: Range, signal?: AbortSignal): Promise<Uint8Array> {
    const { Body, ContentLength } = await this.#asking(this.#get!(range, signal));
    if (ContentLength !== range.length) {
      throw this.#refused(`${ContentLength} bytes were sent where ${range.length} were asked for`);
    }
    return Body!.transformToByteArray();
  }

  /** What the server refuses for good becomes a CkptError. */
  async #asking<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      const { $metadata, message, name } = error as Error & Refusal;
      const status = $metadata?.httpStatusCode;
      if (status === 412) throw this.#refused('it was replaced while it was being read');
      const isFinal = status !== undefined && status < 500 && !PASSING.includes(status);
      if (isFinal)
        throw this.#refused(`${name}${message === name ? '' : `: ${message}`} (${status})`);
      if (name === 'CredentialsProviderError' || message === 'Region is missing') {
        throw this.#refused(message);
      }
      throw error;
    }
  }

  #checkSize(size: number): void {
    const expected = this.#set!.pages * PAGE_SIZE;
    if (size === expected) return;
    throw this.#refused(
      `it has ${size} bytes, and the pages of ${this.#set!.dir} are ${expected}: not of this set`,
    );
  }

  #refused(why: string): CkptError {
    return new CkptError('E_PAGE_SOURCE', `${this.name}: ${why}`, { object: this.name });
  }
}

/** In bytes. */
interface Range {
  offset: number;
  length: number;
}

interface Refusal {
  $metadata?: { httpStatusCode?: number };
}

async function loadSdk(name: string): Promise<typeof import('@aws-sdk/client-s3')> {
  try {
    return await import('@aws-sdk/client-s3');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    const remedy = 'npm install @aws-sdk/client-s3';
    const message = `${name}: the package @aws-sdk/client-s3 is not installed: ${remedy}`;
    throw new CkptError('E_PAGE_SOURCE', message, { object: name, remedy });
  }
}
